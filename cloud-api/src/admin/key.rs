//! `cloud-api admin key …`.

use clap::Subcommand;
use serde_json::json;

use crate::id::OrganisationId;
use crate::keys::{CreatedKey, Keys, NewKey, Scope};
use crate::organisation::{Organisations, is_name};
use crate::user::Users;

use super::{Desk, Report, organisation_id};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Create an API key; it is shown this once.
    Create {
        /// Whom it belongs to.
        #[arg(long, value_name = "ORG", value_parser = organisation_id)]
        organisation: OrganisationId,
        /// What people call it; unique in the organisation.
        #[arg(long)]
        name: String,
        /// What it may do; may be repeated. `write:api_keys` is as good as all of them.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, required_unless_present = "all_scopes")]
        scopes: Vec<Scope>,
        /// It may do everything.
        #[arg(long, conflicts_with = "scopes")]
        all_scopes: bool,
        /// Days until it expires; left out, never.
        #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        expires_in_days: Option<u32>,
    },
}

pub(super) async fn run(desk: &Desk, command: KeyCommand) -> anyhow::Result<Report> {
    let KeyCommand::Create {
        organisation,
        name,
        scopes,
        all_scopes,
        expires_in_days,
    } = command;
    anyhow::ensure!(
        is_name(&name),
        "the name must be 1 to 128 characters without control characters"
    );
    let organisations = Organisations::new(desk.db.clone(), desk.clock.clone());
    let organisation = organisations.find(&organisation).await?.id;
    let owner = Users::new(desk.db.clone(), desk.clock.clone())
        .owner_of(&organisation)
        .await?;
    let new = NewKey {
        organisation,
        name,
        scopes: if all_scopes {
            Scope::ALL.to_vec()
        } else {
            each_once(scopes)
        },
        expires_in_days,
        created_by: owner.map_or_else(|| "admin".to_owned(), |owner| owner.to_string()),
        idempotency: None,
    };
    let keys = Keys::new(desk.db.clone(), desk.secrets.clone(), desk.clock.clone());
    Ok(report(&keys.create(new).await?))
}

fn report(made: &CreatedKey) -> Report {
    let scopes: Vec<&str> = made.scopes.iter().map(|scope| scope.as_str()).collect();
    let expires = made.expires_at.map_or_else(
        || "never expires".to_owned(),
        |at| format!("expires at {at}"),
    );
    Report {
        text: format!(
            "Created the key {id} \"{name}\" ({scopes}), which {expires}.\nIt is shown this once; keep it like a password:\n\n{key}",
            id = made.id,
            name = made.name,
            scopes = scopes.join(" "),
            key = made.key.expose(),
        ),
        json: json!({
            "id": made.id.as_str(),
            "name": made.name,
            "key": made.key.expose(),
            "scopes": scopes,
            "created_at": made.created_at.to_string(),
            "expires_at": made.expires_at.map(|at| at.to_string()),
        }),
    }
}

fn each_once(mut scopes: Vec<Scope>) -> Vec<Scope> {
    let mut seen = Vec::new();
    scopes.retain(|scope| {
        let new = !seen.contains(scope);
        seen.push(*scope);
        new
    });
    scopes
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("there are the scopes {}", all.join(", "))
    })
}
