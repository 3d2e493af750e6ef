//! Named lists of clients: files read, compiled to one table each, and carried over where nothing changed.

use super::{Environment, Plan};
use seawall_conf::model::{Config, List};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap, Span};
use seawall_nets::{Databases, Entries, Place, Table};
use sha2::{Digest, Sha256};
use std::{collections::HashSet, net::IpAddr, path::Path, sync::Arc};

/// A list.
pub struct ListPlan {
    /// Its name.
    pub name: Box<str>,
    /// What is answered to whom it denies.
    pub status: u16,
    /// Networks: on it, or excepted from it.
    networks: Table<bool>,
    systems: HashSet<u32>,
    countries: Vec<[u8; 2]>,
    /// Of the files and of what the configuration says.
    version: [u8; 32],
}

/// The lists of a plan, and what tells where addresses are.
#[derive(Default)]
pub struct Lists {
    /// In the order of the configuration.
    pub all: Vec<Arc<ListPlan>>,
    /// Databases of places.
    pub places: Option<Arc<Databases>>,
}

/// What of a client is on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// This network.
    Network(ipnet::IpNet),
    /// Its autonomous system.
    System(u32),
    /// Its country.
    Country([u8; 2]),
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listed::Network(network) => write!(f, "{network}"),
            Listed::System(number) => write!(f, "AS{number}"),
            Listed::Country(code) => write!(f, "{}", code.escape_ascii()),
        }
    }
}

impl ListPlan {
    /// Whether a client is on it, and by what. A network that is excepted takes its clients off the whole list.
    pub fn has(&self, client: IpAddr, place: &mut dyn FnMut() -> Place) -> Option<Listed> {
        if let Some((network, listed)) = self.networks.find(client) {
            return listed.then_some(Listed::Network(network));
        }
        if self.systems.is_empty() && self.countries.is_empty() {
            return None;
        }
        let place = place();
        let system = place.asn.filter(|asn| self.systems.contains(asn));
        let country = place.country.filter(|code| self.countries.contains(code));
        system
            .map(Listed::System)
            .or_else(|| country.map(Listed::Country))
    }

    /// How many networks and systems it has.
    pub fn len(&self) -> usize {
        self.networks.len() + self.systems.len() + self.countries.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Lists {
    /// Reads every list. What is wrong with a file is told at its line; `sources` grows by the files that have faults.
    pub fn compile(
        config: &Config,
        places: Option<Arc<Databases>>,
        previous: Option<&Plan>,
        sources: &mut SourceMap,
        env: &Environment<'_>,
        errors: &mut Diagnostics,
    ) -> Self {
        let mut all = Vec::new();
        for list in &config.lists {
            let texts = texts(list, env, errors);
            let version = version(list, &texts);
            let same = |known: &&Arc<ListPlan>| known.version == version;
            let known = previous.and_then(|p| p.lists.all.iter().find(same));
            all.push(match known {
                Some(known) => known.clone(),
                None => Arc::new(compile(list, texts, version, sources, errors)),
            });
            let plan: Option<&Arc<ListPlan>> = all.last();
            if places.is_none() && plan.is_some_and(|p| !p.systems.is_empty()) {
                errors.push(without_places(list));
            }
        }
        Self { all, places }
    }
}

fn without_places(list: &List) -> Diagnostic {
    let message = format!(
        "`{}` has autonomous systems, and nothing tells those of addresses",
        list.name
    );
    Diagnostic::error("no-places", list.at, message)
        .help("name a database at the top of the configuration: geo: GeoLite2-ASN.mmdb")
}

/// The files of a list that can be read.
fn texts<'l>(
    list: &'l List,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Vec<(&'l Path, String)> {
    let mut all = Vec::new();
    for (path, at) in &list.files {
        match (env.read)(path).map(String::from_utf8) {
            Ok(Ok(text)) => all.push((path.as_path(), text)),
            Ok(Err(_)) => {
                let message = format!("\"{}\" is not UTF-8", path.display());
                errors.error("bad-list", *at, message);
            }
            Err(e) => {
                let message = format!("cannot read \"{}\": {e}", path.display());
                errors.error("unreadable", *at, message);
            }
        }
    }
    all
}

fn version(list: &List, texts: &[(&Path, String)]) -> [u8; 32] {
    let mut sum = Sha256::new();
    let own = format!(
        "{:?}",
        (
            &list.name,
            list.status,
            &list.networks,
            &list.systems,
            &list.countries
        )
    );
    for text in std::iter::once(own.as_str()).chain(texts.iter().map(|(_, t)| t.as_str())) {
        sum.update((text.len() as u64).to_be_bytes());
        sum.update(text);
    }
    sum.finalize().into()
}

fn compile(
    list: &List,
    texts: Vec<(&Path, String)>,
    version: [u8; 32],
    sources: &mut SourceMap,
    errors: &mut Diagnostics,
) -> ListPlan {
    let own = list.networks.iter().map(|network| (*network, true));
    let mut entries = Entries {
        networks: own.collect(),
        systems: list.systems.clone(),
    };
    for (path, text) in texts {
        let Err(faults) = entries.read(&text) else {
            continue;
        };
        // A text is kept only where something of it is shown.
        let file = sources.add(path, text);
        for fault in faults {
            let at = Span::new(file, fault.at.start, fault.at.end);
            errors.push(Diagnostic::error("bad-list", at, fault.why).help(fault.help));
        }
    }
    ListPlan {
        name: list.name.as_str().into(),
        status: list.status,
        networks: Table::new(entries.networks),
        systems: entries.systems.into_iter().collect(),
        countries: list.countries.clone(),
        version,
    }
}
