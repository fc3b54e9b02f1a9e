//! `kill -9` and power cuts during sessions, over the real binaries: nothing lost, nothing doubled, no
//! damaged database. `cargo xtask torture` builds and runs it.

mod books;
mod cars;
mod control;
mod lane;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, anyhow, bail};
use scenarios::Bay;

use books::Damage;
use lane::{Blow, Lane, Outcome};

/// How much of it.
#[derive(Debug, Clone, Copy)]
struct Plan {
    kills: usize,
    cuts: usize,
    sites: usize,
    seed: u64,
}

/// First word of the program that has mounts of its own.
const INSIDE: &str = "--inside";
/// One in this many kills is the cloud's.
const CLOUD_EVERY: usize = 4;
/// From this many cuts on the writer without sync must have lost something, else they prove nothing.
const CUTS_TO_PROVE: usize = 10;

fn main() -> ExitCode {
    match begin() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("torture: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn begin() -> anyhow::Result<bool> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_none_or(|word| word != INSIDE)
        && let Some(done) = in_own_mounts(&words)?
    {
        return Ok(done);
    }
    words.retain(|word| word != INSIDE);
    torture(plan(&words)?)
}

/// Runs the whole in mounts of its own, which go with it even if it is interrupted; `None` where the
/// machine does not allow that.
fn in_own_mounts(words: &[String]) -> anyhow::Result<Option<bool>> {
    let probe = Command::new("unshare").args(["--mount", "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Ok(None);
    }
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(std::env::current_exe()?);
    let status = command.arg(INSIDE).args(words).status()?;
    Ok(Some(status.success()))
}

fn plan(words: &[String]) -> anyhow::Result<Plan> {
    let mut plan = Plan {
        kills: 500,
        cuts: 200,
        sites: 3,
        seed: fastrand::u64(..),
    };
    for word in words {
        let (name, value) = word
            .split_once('=')
            .with_context(|| format!("`{word}`: --NAME=NUMBER"))?;
        let number = value.parse::<u64>();
        let number = number.with_context(|| format!("{name} {value}: no number"))?;
        match name {
            "--kills" => plan.kills = usize::try_from(number)?,
            "--cuts" => plan.cuts = usize::try_from(number)?,
            "--sites" => plan.sites = usize::try_from(number)?.max(1),
            "--seed" => plan.seed = number,
            other => bail!("`{other}`: there are --kills, --cuts, --sites and --seed"),
        }
    }
    Ok(plan)
}

fn torture(mut plan: Plan) -> anyhow::Result<bool> {
    say(&format!("seed of the moments: {}", plan.seed));
    let folder = tempfile::tempdir()?;
    let bay = match Bay::open(folder.path()) {
        Ok(bay) => Some(bay),
        Err(reason) => {
            let cuts = plan.cuts;
            say(&format!(
                "left out: {cuts} power cuts, loop mounts of XFS and ext4 do not work here ({reason:#})"
            ));
            plan.cuts = 0;
            None
        }
    };
    let mut all = Outcome::default();
    std::thread::scope(|scope| {
        let sites = deal(plan).into_iter().enumerate();
        let bay = bay.as_ref();
        let running: Vec<_> = sites
            .map(|(number, blows)| scope.spawn(move || site(number, plan.seed, bay, blows)))
            .collect();
        for site in running {
            let done = site
                .join()
                .map_err(|_| anyhow!("a site's thread panicked"))?;
            add(&mut all, done?);
        }
        anyhow::Ok(())
    })?;
    drop(bay);
    Ok(tell(&plan, &all))
}

/// One site in a runtime of its own.
fn site(number: usize, seed: u64, bay: Option<&Bay>, blows: Vec<Blow>) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let seed = seed.wrapping_add(number as u64);
        let lane = Lane::build(number + 1, seed, bay).await?;
        lane.run(blows).await
    })
}

/// Deals the blows to the sites, in random order.
fn deal(plan: Plan) -> Vec<Vec<Blow>> {
    let kills = (0..plan.kills).map(|number| match number % CLOUD_EVERY {
        0 => Blow::Cloud,
        _ => Blow::Gateway,
    });
    let mut blows: Vec<Blow> = kills.chain((0..plan.cuts).map(|_| Blow::Cut)).collect();
    fastrand::Rng::with_seed(plan.seed).shuffle(&mut blows);
    let mut sites = vec![Vec::new(); plan.sites];
    for (number, blow) in blows.into_iter().enumerate() {
        sites[number % plan.sites].push(blow);
    }
    sites
}

fn add(all: &mut Outcome, one: Outcome) {
    all.kills_of_gateway += one.kills_of_gateway;
    all.kills_of_cloud += one.kills_of_cloud;
    all.cuts += one.cuts;
    all.control_lost += one.control_lost;
    all.facts += one.facts;
    all.balance.sessions += one.balance.sessions;
    all.balance.reconstructed += one.balance.reconstructed;
    all.balance.late += one.balance.late;
    all.balance.damage.add(one.balance.damage);
}

fn tell(plan: &Plan, all: &Outcome) -> bool {
    let Damage {
        lost,
        doubled,
        wrong,
        damaged,
    } = &all.balance.damage;
    let rows = [
        ("kill -9 of the daemon", all.kills_of_gateway),
        ("kill -9 of the cloud", all.kills_of_cloud),
        ("power cuts of the gateway", all.cuts),
        (
            "  of which a writer without sync lost rows",
            all.control_lost,
        ),
        ("facts in the journals", all.facts),
        ("sessions", all.balance.sessions),
        (
            "  whose end nobody saw, told with its bounds",
            all.balance.reconstructed,
        ),
        (
            "  begun late: the daemon was dead when the car came",
            all.balance.late,
        ),
        ("lost", lost.len()),
        ("doubled", doubled.len()),
        ("wrong", wrong.len()),
        ("damaged databases", damaged.len()),
    ];
    for (name, count) in rows {
        say(&format!("{name:<54} {count:>6}"));
    }
    for problem in [lost, doubled, wrong, damaged].into_iter().flatten() {
        say(&format!("  {problem}"));
    }
    let proves = plan.cuts < CUTS_TO_PROVE || all.control_lost > 0;
    if !proves {
        say("the writer without sync lost nothing: these cuts prove nothing");
    }
    all.balance.damage.is_none() && proves
}

#[expect(clippy::print_stdout, reason = "this program reports")]
fn say(text: &str) {
    println!("{text}");
}
