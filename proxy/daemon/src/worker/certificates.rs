//! Certificates while they are served: what keeps them current, what the API tells of them, and the watch over their
//! expiry.

use super::life::Worker;
use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_edge::{
    Edge,
    plan::{CertificateState, Plan},
};
use seawall_tls::acme::{Issuer, Managed, Source, Zones, why};
use serde_json::{Value, json};
use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::runtime::Handle;

/// How often expiry is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(6 * 3600);

/// A certificate that has less than a sixth of its life left, and no more than this, is spoken of in the log.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// What keeps the certificates of an edge current.
pub fn issuer(edge: &Edge, zones: Arc<dyn Zones>, log: &ErrorLog, control: &Handle) -> Issuer {
    let log = log.clone();
    let report = move |ok: bool, text: &str| {
        let level = if ok {
            LogLevel::Notice
        } else {
            LogLevel::Error
        };
        log.line(level, 0, format_args!("acme: {text}"));
    };
    let acme = edge.shared().acme.clone();
    Issuer::new(acme, zones, control.clone(), Box::new(report))
}

/// Has the certificates of a plan kept current, and no others.
pub fn apply(issuer: &Issuer, zones: &OwnZones, plan: &Plan) {
    zones.set(plan);
    let states = plan.certificates.iter();
    let wanted: Vec<Arc<Managed>> = states.filter_map(|c| c.managed.clone()).collect();
    issuer.apply(plan.acme.clone(), wanted);
}

/// Looks after the dates: the internal CA's certificates are issued anew in time, and what is about to expire is said.
pub async fn watch(worker: std::sync::Weak<Worker>) {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let Some(worker) = worker.upgrade() else {
            return;
        };
        let plan = worker.edge.plan();
        let now = SystemTime::now();
        if plan.certificates.iter().any(|c| c.is_due(now)) {
            let why = "certificates of the internal CA are due";
            // What goes wrong is in the log.
            let _ = tokio::task::spawn_blocking(move || drop(worker.reload(why))).await;
            continue;
        }
        for certificate in &plan.certificates {
            if let Some(left) = expiring(certificate, now) {
                let line = format_args!(
                    "the certificate of {} ({}) {left}",
                    certificate.site, certificate.source
                );
                worker.log.line(LogLevel::Warn, 0, line);
            }
        }
    }
}

fn expiring(certificate: &CertificateState, now: SystemTime) -> Option<String> {
    let validity = certificate.validity()?;
    let life = validity.not_after.duration_since(validity.not_before);
    match validity.not_after.duration_since(now) {
        Err(_) => Some("has expired".to_owned()),
        Ok(left) if left < SOON.min(life.unwrap_or_default() / 6) => {
            Some(format!("expires in {} h", left.as_secs() / 3600))
        }
        Ok(_) => None,
    }
}

fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// `GET /api/v1/certs`
pub fn list(plan: &Plan) -> Value {
    plan.certificates.iter().map(summary).collect()
}

fn summary(certificate: &CertificateState) -> Value {
    let names = certificate.names();
    let validity = certificate.validity();
    let mut value = json!({
        "name": names.first().unwrap_or(&certificate.site),
        "site": certificate.site,
        "names": names,
        "source": certificate.source,
        "not_before_unix_s": validity.map(|v| unix(v.not_before)),
        "not_after_unix_s": validity.map(|v| unix(v.not_after)),
        "problem": certificate.problem,
    });
    if let (Some(managed), Some(fields)) = (&certificate.managed, value.as_object_mut()) {
        let state = managed.snapshot();
        let serving = match state.source {
            Source::Acme => "acme",
            Source::StandIn => "stand-in",
            Source::None => "nothing",
        };
        fields.insert("serving".into(), serving.into());
        fields.insert("working".into(), state.working.into());
        fields.insert("failures".into(), state.failures.into());
        fields.insert("next_order_unix_s".into(), unix(state.next_order).into());
        if let Some((_, text, kind)) = state.last_failure {
            fields.insert("problem".into(), text.into());
            fields.insert("problem_type".into(), kind.into());
        }
    }
    value
}

/// The certificate for a name: one that names it, one with a wildcard over it, or that of the site called so.
fn find<'p>(plan: &'p Plan, name: &str) -> Option<&'p CertificateState> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let wild = name
        .split_once('.')
        .map(|(_, parent)| format!("*.{parent}"));
    let all = &plan.certificates;
    let named = |wanted: &str| all.iter().find(|c| c.names().iter().any(|n| n == wanted));
    named(&name)
        .or_else(|| named(wild.as_deref()?))
        .or_else(|| all.iter().find(|c| c.site == name))
}

/// `GET /api/v1/certs/{name}`: with the timeline, where a CA issues.
pub fn show(plan: &Plan, name: &str) -> Option<Value> {
    let certificate = find(plan, name)?;
    let mut value = summary(certificate);
    let fields = value.as_object_mut()?;
    if let Some(managed) = &certificate.managed {
        let events = managed.snapshot().events;
        let timeline = events.iter().map(|e| {
            json!({ "at_unix_s": unix(e.at), "step": e.step.name(), "ok": e.ok, "text": e.text })
        });
        fields.insert("timeline".into(), timeline.collect());
    }
    if let Some(acme) = plan.acme.as_ref().filter(|_| certificate.managed.is_some()) {
        let challenge = acme.challenge_for(&certificate.names());
        fields.insert("challenge".into(), challenge.name().into());
        fields.insert("directories".into(), json!(acme.directories));
    }
    Some(value)
}

/// `POST /api/v1/certs/{name}/renew`: false where there is no such certificate.
pub fn renew(plan: &Plan, name: &str) -> Result<bool, String> {
    let Some(certificate) = find(plan, name) else {
        return Ok(false);
    };
    match &certificate.managed {
        Some(managed) if plan.acme.is_some() => {
            managed.renew();
            Ok(true)
        }
        Some(_) => Err("no CA is asked: see the log for what is wrong with `acme`".into()),
        None if certificate.source == "internal" => {
            Err("the internal CA issues this one, and does so anew in time by itself".into())
        }
        None => Err("this one is read from a file: who writes the file renews it".into()),
    }
}

/// `GET /api/v1/certs/{name}/why`: what stands between the name and its certificate. Looks at the network.
pub fn explain(plan: &Plan, issuer: &Issuer, name: &str, control: &Handle) -> Option<Value> {
    let certificate = find(plan, name)?;
    let findings = match (&certificate.managed, issuer.options()) {
        (Some(managed), Some(options)) => {
            let challenges = issuer.challenges();
            let looked = why(managed, name, &options, challenges, &**issuer.zones());
            let found = control.block_on(looked).into_iter();
            found
                .map(|f| json!({ "what": f.what, "ok": f.ok, "text": f.text }))
                .collect()
        }
        _ => vec![by_hand(certificate)],
    };
    Some(json!({ "name": name, "source": certificate.source, "findings": findings }))
}

fn by_hand(certificate: &CertificateState) -> Value {
    let now = SystemTime::now();
    let text = match (&certificate.problem, expiring(certificate, now)) {
        (Some(problem), _) => problem.clone(),
        (None, Some(left)) => format!("it {left}"),
        (None, None) if certificate.source == "internal" => {
            "the internal CA issues: browsers that do not trust its root (ca/ca.pem in the state directory) warn. For a \
             public name write `acme: { email, agree_tos: true }`"
                .to_owned()
        }
        (None, None) => "it is read from a file, and all is well with it".to_owned(),
    };
    let ok = certificate.problem.is_none() && expiring(certificate, now).is_none();
    json!({ "what": "certificate", "ok": ok, "text": text })
}

/// Dates and failures, for Prometheus.
pub fn metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    let plan = worker.edge.plan();
    writeln!(
        out,
        "# HELP seawall_certificate_not_after_seconds When the certificate that is served expires, in seconds since 1970\n\
         # TYPE seawall_certificate_not_after_seconds gauge"
    )?;
    for certificate in &plan.certificates {
        let source = match certificate.source.as_str() {
            known @ ("internal" | "acme") => known,
            _ => "file",
        };
        if let Some(validity) = certificate.validity() {
            writeln!(
                out,
                "seawall_certificate_not_after_seconds{{site=\"{}\",source=\"{source}\"}} {}",
                label(&certificate.site),
                unix(validity.not_after)
            )?;
        }
    }
    let (issued, failed) = worker.edge.shared().acme.orders();
    writeln!(
        out,
        "# HELP seawall_acme_orders_total Orders at a CA that came to an end\n# TYPE seawall_acme_orders_total counter\n\
         seawall_acme_orders_total{{outcome=\"issued\"}} {issued}\n\
         seawall_acme_orders_total{{outcome=\"failed\"}} {failed}\n\
         # HELP seawall_acme_failures Failures in a row on the way to a certificate\n# TYPE seawall_acme_failures gauge"
    )?;
    for certificate in &plan.certificates {
        if let Some(managed) = &certificate.managed {
            let failures = managed.snapshot().failures;
            let site = label(&certificate.site);
            writeln!(out, "seawall_acme_failures{{site=\"{site}\"}} {failures}")?;
        }
    }
    Ok(())
}

/// A name may be an expression with anything in it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The zones of our own DNS server.
pub struct OwnZones {
    dns: Arc<seawall_dns::Shared>,
    /// Their names, in lower case.
    names: Mutex<Vec<String>>,
}

impl OwnZones {
    /// None yet.
    pub fn new(dns: Arc<seawall_dns::Shared>) -> Self {
        let names = Mutex::default();
        Self { dns, names }
    }

    fn set(&self, plan: &Plan) {
        let zones = plan.config.dns.iter().flat_map(|dns| &dns.zones);
        let names = zones.map(|z| z.name.trim_end_matches('.').to_ascii_lowercase());
        if let Ok(mut held) = self.names.lock() {
            *held = names.collect();
        }
    }
}

impl Zones for OwnZones {
    fn holds(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let within = |zone: &String| {
            let rest = name.strip_suffix(zone.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.names
            .lock()
            .is_ok_and(|names| names.iter().any(within))
    }

    fn put(&self, name: &str, value: &str) -> Result<(), String> {
        let put = self.dns.challenge_put(name, value);
        put.map_err(|e| e.to_string())
    }

    fn remove(&self, name: &str, value: &str) {
        // A zone that is gone has no token left.
        let _ = self.dns.challenge_remove(name, value);
    }
}
