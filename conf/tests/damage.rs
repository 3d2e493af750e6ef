//! Seeded damage: samples with bytes changed, cut, doubled and swapped never panic a reader, and what a reader
//! reports can always be rendered.

use seawall_conf::model::Syntax;
use seawall_conf::{LoadOptions, load_text};

/// A small generator (xorshift64*), so that a seed says all.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }
}

const SPICE: &[&str] = &[
    "{", "}", "[", "]", ":", ",", "\"", "'", "$", "${", "\\", "\n", "\t", "#", ";", "&a ", "*a",
    "- ", "é", "\0", "~", "%", "@",
];

fn damage(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(chars.len());
        match random.below(4) {
            0 => drop(chars.drain(at..(at + 1 + random.below(20)).min(chars.len()))),
            1 => drop(chars.splice(at..at, SPICE[random.below(SPICE.len())].chars())),
            2 => {
                let part: Vec<char> = chars[at..(at + random.below(60)).min(chars.len())].to_vec();
                let to = random.below(chars.len());
                chars.splice(to..to, part);
            }
            _ if !chars.is_empty() => {
                let other = random.below(chars.len());
                chars.swap(at, other);
            }
            _ => {}
        }
    }
    chars.into_iter().collect()
}

fn survives(samples: &[&str], syntax: Syntax) {
    let options = LoadOptions {
        syntax: Some(syntax),
        prefix: Some("/nonexistent".into()),
        ..LoadOptions::default()
    };
    for seed in 1..=400u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let text = damage(samples[random.below(samples.len())], &mut random);
        match load_text("damaged", text.as_str(), &options) {
            Ok((config, found)) => drop(found.render(&config.sources, false)),
            Err(error) => {
                assert!(error.diagnostics.has_errors(), "seed {seed}");
                assert!(
                    !error.diagnostics.render(&error.sources, true).is_empty(),
                    "seed {seed}"
                );
                error.diagnostics.to_json(&error.sources);
            }
        }
    }
}

#[test]
fn damaged_yaml_never_panics() {
    let samples = [
        include_str!("fixtures/normative.yaml"),
        include_str!("../samples/balancer.yaml"),
        include_str!("../samples/tls.yaml"),
    ];
    survives(&samples, Syntax::Yaml);
}

#[test]
fn damaged_nginx_conf_never_panics() {
    let samples = [
        include_str!("../samples/nginx-proxy.conf"),
        "events {} http { server { listen [::]:80; if (-f $a) { return 301 ${b}c; } location ~ \\.x$ { proxy_pass \
         https://u$uri; } } upstream u { server unix:/s weight=2; } proxy_cache_path c keys_zone=z:1m; }",
    ];
    survives(&samples, Syntax::Nginx);
}
