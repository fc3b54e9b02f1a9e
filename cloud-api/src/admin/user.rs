//! `cloud-api admin user …`.

use clap::Subcommand;
use serde_json::json;

use crate::email::Email;
use crate::id::OrganisationId;
use crate::user::{NewUser, Role, Users};

use super::{Desk, Report, email, organisation_id};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create a user of an organisation.
    Create {
        /// For whom the user works.
        #[arg(long, value_name = "ORG", value_parser = organisation_id)]
        organisation: OrganisationId,
        /// E-mail address.
        #[arg(long, value_parser = email)]
        email: Email,
        /// Full name.
        #[arg(long)]
        name: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: Role,
    },
}

pub(super) async fn run(desk: &Desk, command: UserCommand) -> anyhow::Result<Report> {
    let UserCommand::Create {
        organisation,
        email,
        name,
        role,
    } = command;
    let users = Users::new(desk.db.clone(), desk.clock.clone());
    let new = NewUser {
        organisation: organisation.clone(),
        email,
        name,
        role,
    };
    let id = users.create(new).await?;
    Ok(Report {
        text: format!(
            "Created the user {id}, {} of {organisation}.",
            role.as_str()
        ),
        json: json!({ "user_id": id.as_str() }),
    })
}
