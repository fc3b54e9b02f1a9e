//! `cloud-api admin org …`.

use clap::Subcommand;
use serde_json::json;

use crate::id::OrganisationId;
use crate::organisation::{NewOrganisation, Organisation, Organisations, Plan, Tier};

use super::{Desk, Report, organisation_id};

#[derive(Debug, Subcommand)]
pub(super) enum OrgCommand {
    /// Create an organisation.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// What it pays for.
        #[arg(long, value_enum, default_value_t = Tier::Free)]
        tier: Tier,
        /// Requests per key and hour, as agreed (enterprise only).
        #[arg(long, value_name = "N")]
        hourly_limit: Option<u32>,
        /// IANA name of the time zone in which its days begin.
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        time_zone: String,
        /// Its chargers are virtual; its keys begin with dyn_test_.
        #[arg(long)]
        sandbox: bool,
    },
    /// Change what an organisation pays for. A running server follows within seconds.
    SetTier {
        /// Its id.
        #[arg(long, value_name = "ORG", value_parser = organisation_id)]
        organisation: OrganisationId,
        /// What it pays for from now on.
        #[arg(long, value_enum)]
        tier: Tier,
        /// Requests per key and hour, as agreed (enterprise only).
        #[arg(long, value_name = "N")]
        hourly_limit: Option<u32>,
    },
    /// Show all organisations.
    List,
}

pub(super) async fn run(desk: &Desk, command: OrgCommand) -> anyhow::Result<Report> {
    let organisations = Organisations::new(desk.db.clone(), desk.clock.clone());
    match command {
        OrgCommand::Create {
            name,
            tier,
            hourly_limit,
            time_zone,
            sandbox,
        } => {
            let plan = Plan::new(tier, hourly_limit)?;
            let new = NewOrganisation {
                name,
                plan,
                time_zone,
                sandbox,
            };
            let id = organisations.create(new).await?;
            Ok(Report {
                text: format!(
                    "Created the organisation {id}.\nNext: cloud-api admin key create --organisation {id} --name NAME --all-scopes"
                ),
                json: json!({ "organisation_id": id.as_str() }),
            })
        }
        OrgCommand::SetTier {
            organisation: id,
            tier,
            hourly_limit,
        } => {
            let plan = Plan::new(tier, hourly_limit)?;
            organisations.set_plan(&id, plan).await?;
            let (tier, limit) = (tier.as_str(), plan.hourly_limit());
            Ok(Report {
                text: format!("{id} is on the tier {tier} now: {limit} requests per key and hour."),
                json: json!({ "organisation_id": id.as_str(), "tier": tier, "hourly_limit": limit }),
            })
        }
        OrgCommand::List => {
            let all = organisations.list().await?;
            Ok(Report {
                text: super::lines(&all, "There is no organisation yet.", show),
                json: json!({ "organisations": all.iter().map(to_json).collect::<Vec<_>>() }),
            })
        }
    }
}

fn show(organisation: &Organisation) -> String {
    let Organisation {
        id,
        name,
        plan,
        time_zone,
        sandbox,
    } = organisation;
    let (tier, limit) = (plan.tier().as_str(), plan.hourly_limit());
    let sandbox = if *sandbox { ", sandbox" } else { "" };
    format!("{id}  {name} ({tier}, {limit}/h, {time_zone}{sandbox})")
}

fn to_json(organisation: &Organisation) -> serde_json::Value {
    json!({
        "organisation_id": organisation.id.as_str(),
        "name": organisation.name,
        "tier": organisation.plan.tier().as_str(),
        "hourly_limit": organisation.plan.hourly_limit(),
        "time_zone": organisation.time_zone,
        "sandbox": organisation.sandbox,
    })
}
