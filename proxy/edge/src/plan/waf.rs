//! Rule sets: built in or read from files, compiled to one program each.

use super::compile::Environment;
use crate::log::{Buffering, LogSink};
use crate::waf_audit::AuditPlan;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::IntCounter;
use seawall_conf::model::{self, Config, WafRules};
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use seawall_waf::{
    AuditEngine, AuditParts, DryRun, EXCLUSIONS_MAX, Exclude, ExcludeError, Exclusions,
};
use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Matches that are kept where they are reported, for tests.
const REPORTED_MATCHES_MAX: usize = 4096;

/// A rule set.
pub struct WafPlan {
    /// Its name.
    pub name: String,
    /// The program.
    pub program: Arc<seawall_waf::Program>,
    /// What a verdict does.
    pub mode: model::WafMode,
    /// Bytes of a body that are inspected.
    pub body_limit: u64,
    /// Names matched rules in this response header, for tests.
    pub report_header: Option<String>,
    /// Responses are judged, too.
    pub response: bool,
    /// The score that refuses.
    pub threshold: u32,
    /// Rules that are only tried, by id, with their counters.
    pub tried: Vec<(u32, IntCounter)>,
    /// What rules do not look at: the configuration's exclusions, then those that were added since.
    pub exclusions: ArcSwap<Exclusions>,
    /// The configuration's own.
    configured: Vec<Exclude>,
    /// Those that were added by the API; handed on to the next plan.
    added: Arc<Mutex<Vec<Exclude>>>,
    /// What rules remember between requests; handed on to the next plan.
    pub collections: Arc<seawall_waf::Collections>,
    /// The files that it was read from, those that others include among them.
    pub files: Vec<PathBuf>,
    /// Its audit log.
    pub audit: Option<AuditPlan>,
    /// Another rule set that judges the same requests without any effect.
    pub shadow: OnceLock<Arc<WafPlan>>,
}

/// Compiles the rule sets of a configuration; one with errors is left out and reported.
pub fn compile(
    config: &mut Config,
    previous: Option<&super::Plan>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Vec<Option<Arc<WafPlan>>> {
    let Config { wafs, sources, .. } = config;
    let mut out = Vec::new();
    for waf in wafs.iter() {
        let old = previous.and_then(|p| p.wafs.iter().find(|w| w.name == waf.name));
        let collections = old.map_or_else(Arc::default, |w| w.collections.clone());
        let options = options(waf, collections.clone());
        let reader = Reader::default();
        let program = match &waf.rules {
            WafRules::Builtin => seawall_waf::Program::builtin(&options),
            WafRules::Files(files) => {
                let mut unreadable = Diagnostics::default();
                let ids = read(sources, files, env, &mut unreadable);
                if unreadable.has_errors() {
                    errors.extend(unreadable);
                    out.push(None);
                    continue;
                }
                seawall_waf::Program::load(sources, &ids, &reader, &options)
            }
        };
        match program {
            Ok(program) => {
                program
                    .warnings()
                    .iter()
                    .for_each(|warning| errors.push(warning.clone()));
                if let Some(header) = &waf.report_header {
                    let message = format!(
                        "`report_header: {header}` tells every client which rules matched: for tests only"
                    );
                    errors.push(Diagnostic::warning("reported-rules", waf.at, message));
                }
                let configured = excludes(waf, &program, errors);
                check_tried(waf, &program, errors);
                let tried = program.tried();
                let tried = tried.map(|id| (id, env.metrics.waf_tried(&waf.name, id)));
                let tried = tried.collect();
                let added = old.map_or_else(Arc::default, |w| w.added.clone());
                // What the rules of before had and these have not excludes nothing any more.
                added
                    .lock()
                    .retain(|e| program.exclusions(std::slice::from_ref(e)).is_ok());
                let all = [configured.as_slice(), added.lock().as_slice()].concat();
                let exclusions = program.exclusions(&all).unwrap_or_default();
                out.push(Some(Arc::new(WafPlan {
                    threshold: waf.threshold,
                    tried,
                    exclusions: ArcSwap::from_pointee(exclusions),
                    configured,
                    added,
                    name: waf.name.clone(),
                    response: waf.response && program.judges_responses(),
                    program: Arc::new(program),
                    mode: waf.mode,
                    body_limit: waf.body_limit,
                    report_header: waf.report_header.clone(),
                    collections,
                    files: reader.read.into_inner(),
                    audit: audit(waf, env, errors),
                    shadow: OnceLock::new(),
                })));
            }
            Err(found) => {
                errors.extend(found);
                out.push(None);
            }
        }
    }
    connect_shadows(wafs, &out);
    out
}

/// The audit log, opened; a problem is reported and leaves the rule set without one.
fn audit(waf: &model::Waf, env: &Environment<'_>, errors: &mut Diagnostics) -> Option<AuditPlan> {
    let audit = waf.audit.as_ref()?;
    match super::log::sink(&audit.log, env) {
        Ok(LogSink::File(file)) => Some(AuditPlan {
            file,
            how: Buffering::of(&audit.log),
            when: audit.when.map(|when| match when {
                model::WafAuditWhen::Relevant => AuditEngine::Relevant,
                model::WafAuditWhen::All => AuditEngine::All,
            }),
            parts: audit.parts.as_deref().and_then(AuditParts::named),
        }),
        Ok(_) => None,
        Err(problem) => {
            errors.push(problem);
            None
        }
    }
}

/// A shadow has none itself, so that no two hold each other.
fn connect_shadows(wafs: &[model::Waf], plans: &[Option<Arc<WafPlan>>]) {
    for (waf, plan) in wafs.iter().zip(plans) {
        let shadow = waf.shadow.and_then(|index| plans.get(index)?.clone());
        if let (Some(plan), Some(shadow)) = (plan, shadow) {
            let _ = plan.shadow.set(shadow);
        }
    }
}

impl WafPlan {
    /// Adds an exclusion; it holds from the next request on.
    pub fn exclude(&self, exclude: &Exclude) -> Result<(), ExcludeError> {
        let mut added = self.added.lock();
        if added.contains(exclude) {
            return Ok(());
        }
        let mut more = added.clone();
        more.push(exclude.clone());
        let all = [self.configured.as_slice(), more.as_slice()].concat();
        self.exclusions
            .store(Arc::new(self.program.exclusions(&all)?));
        *added = more;
        Ok(())
    }
}

/// Reports where `dry_run` names what is not there.
fn check_tried(waf: &model::Waf, program: &seawall_waf::Program, errors: &mut Diagnostics) {
    let Some(dry_run) = &waf.dry_run else { return };
    let named = Exclude {
        rules: dry_run.rules.clone(),
        tags: dry_run.tags.clone(),
        target: None,
        path: None,
    };
    if let Err(e) = program.exclusions(&[named]) {
        errors.error("dry-run", dry_run.at, e.to_string());
    }
}

/// The exclusions that the configuration writes; one that names what is not there is reported at its place.
fn excludes(
    waf: &model::Waf,
    program: &seawall_waf::Program,
    errors: &mut Diagnostics,
) -> Vec<Exclude> {
    let mut list = Vec::new();
    for written in &waf.exclude {
        let exclude = Exclude {
            rules: written.rules.clone(),
            tags: written.tags.clone(),
            target: written.target.clone(),
            path: written.path.clone(),
        };
        match program.exclusions(std::slice::from_ref(&exclude)) {
            Ok(_) => list.push(exclude),
            Err(e) => errors.error("exclusion", written.at, e.to_string()),
        }
    }
    if list.len() > EXCLUSIONS_MAX {
        errors.error("exclusion", waf.at, ExcludeError::TooMany.to_string());
    }
    list
}

fn options(waf: &model::Waf, collections: Arc<seawall_waf::Collections>) -> seawall_waf::Options {
    let defaults = seawall_waf::Limits::default();
    let matches_max = match &waf.report_header {
        Some(_) => REPORTED_MATCHES_MAX,
        None => defaults.matches_max,
    };
    seawall_waf::Options {
        paranoia: waf.paranoia,
        threshold: waf.threshold,
        detect: waf.mode == model::WafMode::Detect,
        response_body: waf.response,
        exclusions: waf.default_exclusions,
        dry_run: waf
            .dry_run
            .as_ref()
            .map_or_else(DryRun::default, |d| DryRun {
                rules: d.rules.clone(),
                tags: d.tags.clone(),
            }),
        collections,
        limits: seawall_waf::Limits {
            body_bytes_max: usize::try_from(waf.body_limit).unwrap_or(usize::MAX),
            matches_max,
            ..defaults
        },
    }
}

/// Reads the files that the configuration names.
fn read(
    sources: &mut SourceMap,
    files: &[(PathBuf, Span)],
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Vec<FileId> {
    let mut ids = Vec::new();
    for (path, at) in files {
        match (env.read)(path) {
            Ok(bytes) => {
                ids.push(sources.add(path, String::from_utf8_lossy(&bytes).into_owned()));
            }
            Err(e) if path == Path::new(model::OWASP_CRS) => errors.push(
                Diagnostic::error(
                    "no-crs",
                    *at,
                    format!(
                        "the OWASP Core Rule Set is not there: \"{}\": {e}",
                        path.display()
                    ),
                )
                .help("install the package modsecurity-crs, or write `builtin`"),
            ),
            Err(e) => errors.error(
                "unreadable",
                *at,
                format!("cannot read \"{}\": {e}", path.display()),
            ),
        }
    }
    ids
}

/// Reads what rule files name, and notes it, so that a change of it is a change of the configuration.
#[derive(Default)]
struct Reader {
    read: RefCell<Vec<PathBuf>>,
}

impl seawall_waf::Files for Reader {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read.borrow_mut().push(path.to_owned());
        seawall_waf::DiskFiles.read(path)
    }

    fn matching(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        seawall_waf::DiskFiles.matching(pattern)
    }
}
