//! `seawall waf test`: a rule set's regression tests, judged by the engine that serves, without a socket.
//!
//! Every rule runs (detection only), at the paranoia level that the configuration names; what a test says of statuses and
//! logs is not judged. A head that the daemon's strict parser would refuse is judged here all the same.

use crate::{
    configuration::{self, Source, Style},
    terminal, worker,
};
use anyhow::{Context, bail};
use seawall_conf::{
    LoadOptions,
    model::WafMode,
    regressions::{Regression, Regressions, Stage, load_regressions},
};
use seawall_edge::plan::{Plan, WafPlan};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Files of tests in a directory.
const FILES_MAX: usize = 100_000;

/// Which tests.
#[derive(clap::Args)]
pub struct Regress {
    /// Files of tests in the form of go-ftw, or directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration whose rule set is tested
    #[arg(short, long, value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
    config: PathBuf,
    /// The rule set [default: the first]
    #[arg(long, value_name = "NAME")]
    rule_set: Option<String>,
    /// Only tests whose names begin with this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    /// Tests that say nothing of rules.
    other: usize,
}

/// `seawall waf test`
pub fn run(wanted: &Regress) -> anyhow::Result<ExitCode> {
    let mut progress = terminal::Progress::new();
    progress.say(format_args!("compiling {}", wanted.config.display()));
    let Some(plan) = compiled(&wanted.config)? else {
        return Ok(ExitCode::from(super::CODE_WRONG));
    };
    let name = wanted.rule_set.as_deref();
    let set = plan.wafs.iter().find(|w| name.is_none_or(|n| n == w.name));
    let Some(set) = set.cloned() else {
        bail!("there is no rule set {:?}", name.unwrap_or_default());
    };
    let files = files(&wanted.paths)?;
    let mut count = Count::default();
    for (n, path) in files.iter().enumerate() {
        progress.say(format_args!("{} of {} files", n + 1, files.len()));
        match load_regressions(path, &LoadOptions::default()) {
            Ok(read) => file(wanted, &set, &read, &mut count)?,
            Err(e) => {
                configuration::report(&e.diagnostics, &e.sources, Style::Seawall);
                return Ok(ExitCode::from(super::CODE_WRONG));
            }
        }
    }
    drop(progress);
    let Count {
        passed,
        failed,
        other,
    } = count;
    terminal::out(format_args!(
        "{passed} passed, {failed} failed, {other} say nothing of rules\n"
    ))?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The configuration's plan with every rule set detecting; `None` where it has errors, which have been said.
fn compiled(path: &Path) -> anyhow::Result<Option<Plan>> {
    let source = Source::file(path.to_owned());
    let (mut config, _) = match source.load() {
        Ok(loaded) => loaded,
        Err(e) => {
            configuration::report(&e.diagnostics, &e.sources, Style::Seawall);
            return Ok(None);
        }
    };
    for waf in &mut config.wafs {
        waf.mode = WafMode::Detect;
        // Every match is kept.
        waf.report_header = Some("X-Rules".into());
    }
    Ok(
        match worker::compile_dry(config, &|path| std::fs::read(path)) {
            Ok((plan, _)) => Some(plan),
            Err((sources, errors)) => {
                configuration::report(&errors, &sources, Style::Seawall);
                None
            }
        },
    )
}

/// The files that are named, and those below the directories that are.
fn files(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut left: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = left.pop() {
        let cannot = || format!("cannot read {}", path.display());
        if !path.metadata().with_context(cannot)?.is_dir() {
            found.insert(path);
            continue;
        }
        for entry in std::fs::read_dir(&path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let (path, kind) = (entry.path(), entry.file_type().with_context(cannot)?);
            let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
            if kind.is_dir() || (kind.is_file() && is_yaml) {
                left.push(path);
            }
        }
        if found.len() + left.len() > FILES_MAX {
            bail!("more than {FILES_MAX} files");
        }
    }
    Ok(found)
}

fn file(
    wanted: &Regress,
    set: &Arc<WafPlan>,
    read: &Regressions,
    count: &mut Count,
) -> anyhow::Result<()> {
    for test in &read.tests {
        if wanted
            .only
            .as_ref()
            .is_some_and(|only| !test.name.starts_with(only))
        {
            continue;
        }
        match judged(set, test) {
            None => count.other += 1,
            Some(wrong) if wrong.is_empty() => count.passed += 1,
            Some(wrong) => {
                count.failed += 1;
                let (line, _) = read.sources.line_column(test.at);
                let file = read.sources.name(test.at.file).display();
                terminal::out(format_args!(
                    "{} failed: {} ({file}:{line})\n",
                    test.name,
                    wrong.join("; ")
                ))?;
            }
        }
    }
    Ok(())
}

/// What is wrong with what the rules say; `None` where a test says nothing of them.
fn judged(set: &Arc<WafPlan>, test: &Regression) -> Option<Vec<String>> {
    let mut wrong = Vec::new();
    let mut says = false;
    for stage in &test.stages {
        if stage.expect.is_empty() && stage.exclude.is_empty() {
            continue;
        }
        says = true;
        wrong.extend(stage_judged(set, stage));
    }
    says.then_some(wrong)
}

fn stage_judged(set: &Arc<WafPlan>, stage: &Stage) -> Vec<String> {
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let matched: BTreeSet<u32> = match set.explain(&stage.request, client) {
        Ok(explained) => explained.matches.iter().map(|m| m.rule).collect(),
        Err(e) => return vec![e.to_string()],
    };
    let mut wrong = Vec::new();
    let missing = stage.expect.iter().filter(|id| !matched.contains(id));
    wrong.extend(missing.map(|id| format!("{id} does not match")));
    let unwanted = stage.exclude.iter().filter(|id| matched.contains(id));
    wrong.extend(unwanted.map(|id| format!("{id} matches")));
    if stage.isolated {
        let others = matched.iter().filter(|id| !stage.expect.contains(id));
        wrong.extend(others.map(|id| format!("{id} matches, too")));
    }
    wrong
}
