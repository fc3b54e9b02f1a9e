//! `cloud-api admin installer …`.

use std::io::Read as _;

use anyhow::ensure;
use clap::Subcommand;
use serde_json::json;

use crate::email::Email;
use crate::installer::{Installers, NewInstaller};
use crate::secret::Secret;

use super::{Desk, Report, email};

/// More than any password has.
const PASSWORD_BYTES_MAX: u64 = 8 * 1_024;

#[derive(Debug, Subcommand)]
pub(super) enum InstallerCommand {
    /// Create an installer's account.
    Create {
        /// E-mail address to log in with.
        #[arg(long, value_parser = email)]
        email: Email,
        /// Full name.
        #[arg(long)]
        full_name: String,
        /// Read the password from standard input, where no list of processes shows it.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

pub(super) async fn run(desk: &Desk, command: InstallerCommand) -> anyhow::Result<Report> {
    let InstallerCommand::Create {
        email,
        full_name,
        password_stdin: _,
    } = command;
    let password = read_password()?;
    let installers = Installers::new(desk.db.clone(), desk.clock.clone());
    let new = NewInstaller {
        email: email.clone(),
        full_name,
        password,
    };
    let id = installers.create(new).await?;
    Ok(Report {
        text: format!("Created the installer {id}, who logs in as {email}."),
        json: json!({ "installer_id": id.as_str() }),
    })
}

/// One line; its end does not belong to the password.
fn read_password() -> anyhow::Result<Secret<String>> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    ensure!(
        !password.is_empty(),
        "standard input holds no password; try: printf %s 'PASSWORD' | cloud-api admin installer create …"
    );
    Ok(Secret::new(password.to_owned()))
}
