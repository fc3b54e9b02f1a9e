//! `cloud-api admin site …`.

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use serde_json::json;

use crate::id::OrganisationId;
use crate::site::{NewSite, Site, Sites};

use super::{Desk, Report, lines, organisation_id};

#[derive(Debug, Subcommand)]
pub(super) enum SiteCommand {
    /// Create a site.
    Create {
        /// Whose it is.
        #[arg(long, value_name = "ORG", value_parser = organisation_id)]
        organisation: OrganisationId,
        /// Its name.
        #[arg(long)]
        name: String,
        /// What its grid connection allows, in kW with at most 3 decimals.
        #[arg(long, value_name = "K", value_parser = watts)]
        max_power_kw: u32,
        /// Where it is.
        #[arg(long)]
        address: Option<String>,
    },
    /// Show all sites.
    List,
}

pub(super) async fn run(desk: &Desk, command: SiteCommand) -> anyhow::Result<Report> {
    let sites = Sites::new(desk.db.clone(), desk.clock.clone());
    match command {
        SiteCommand::Create {
            organisation,
            name,
            max_power_kw: max_power_w,
            address,
        } => {
            let id = sites
                .create(NewSite {
                    organisation,
                    name,
                    address,
                    max_power_w,
                })
                .await?;
            Ok(Report {
                text: format!(
                    "Created the site {id}.\nNext: cloud-api admin gateway create --site {id} --name NAME"
                ),
                json: json!({ "site_id": id.as_str() }),
            })
        }
        SiteCommand::List => {
            let all = sites.list().await?;
            Ok(Report {
                text: lines(&all, "There is no site yet.", show),
                json: json!({ "sites": all.iter().map(to_json).collect::<Vec<_>>() }),
            })
        }
    }
}

fn show(site: &Site) -> String {
    let Site {
        id,
        organisation,
        name,
        address,
        max_power_w,
    } = site;
    let address = address
        .as_deref()
        .map_or_else(String::new, |address| format!(", {address}"));
    format!(
        "{id}  {name}{address} ({} kW, {organisation})",
        kilowatts(*max_power_w)
    )
}

fn to_json(site: &Site) -> serde_json::Value {
    json!({
        "site_id": site.id.as_str(),
        "organisation_id": site.organisation.as_str(),
        "name": site.name,
        "address": site.address,
        "max_power_w": site.max_power_w,
    })
}

/// Watts from a decimal number of kilowatts, without a detour through binary fractions.
fn watts(text: &str) -> Result<u32, String> {
    parse_watts(text).map_err(|error| error.to_string())
}

fn parse_watts(text: &str) -> anyhow::Result<u32> {
    let remedy = "a power in kW is a number such as 43.5, with at most 3 decimals, below 1000000";
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(
        digits(whole) && digits(decimals) && whole.len() <= 6 && decimals.len() <= 3,
        remedy
    );
    let kilo: u32 = whole.parse().context(remedy)?;
    let rest: u32 = format!("{decimals:0<3}").parse().context(remedy)?;
    Ok(kilo * 1_000 + rest)
}

fn kilowatts(watts: u32) -> String {
    let text = format!("{}.{:03}", watts / 1_000, watts % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilowatts_are_exact_to_the_watt_both_ways() {
        for (text, expected) in [
            ("43.5", 43_500),
            ("11", 11_000),
            ("0.001", 1),
            ("999999.999", 999_999_999),
        ] {
            assert_eq!(watts(text), Ok(expected));
            assert_eq!(kilowatts(expected), text);
        }
        for bad in [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "1.0001", "1000000", "1,5",
        ] {
            assert!(watts(bad).is_err(), "{bad:?}");
        }
    }
}
