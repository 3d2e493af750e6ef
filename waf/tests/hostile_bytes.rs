//! Values and bodies as an enemy sends them: mutated from a fixed seed, so that a failure repeats.

#[path = "hostile/bodies.rs"]
mod bodies;

use bodies::{crs, json, multipart, rule_file, sqli, transformations, urlencoded, xml, xss};

/// SplitMix64: a seed is a corpus.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A seed with a few bytes changed, cut, doubled or taken from another.
    fn mutated(&mut self, seeds: &[&str]) -> Vec<u8> {
        let pick = self.below(seeds.len());
        let mut text = seeds[pick].as_bytes().to_vec();
        for _ in 0..1 + self.below(6) {
            let at = self.below(text.len() + 1);
            match self.below(5) {
                0 if at < text.len() => text[at] = self.next() as u8,
                1 => text.truncate(at),
                2 => {
                    let part = text[at..].to_vec();
                    text.extend(part);
                }
                3 => text.insert(at, b"\"'\\\r\n<>&%;:|,/-*\0\xff{}[]"[self.below(22)]),
                _ => {
                    let pick = self.below(seeds.len());
                    let other = seeds[pick].as_bytes();
                    let from = self.below(other.len() + 1);
                    text.splice(at..at, other[from..].iter().copied());
                }
            }
            text.truncate(8000);
        }
        text
    }
}

fn rounds(count: usize, seeds: &[&str], target: fn(&[u8])) {
    let mut random = Random(42);
    for seed in seeds {
        target(seed.as_bytes());
    }
    for _ in 0..count {
        target(&random.mutated(seeds));
    }
}

const VALUES: &[&str] = &[
    "1' or '1'='1",
    "-1 union/*!*/select 0x41,char(65)--",
    "<svg/onload=alert`1`>",
    "\\x41\\u0041\\101",
    "%u0041%25%zz",
    "&#x41;&lt;&amp",
    "a/../b/./c//",
    "\"';--#/**/",
    "YWJj==",
    "<!--x--><a href=\"javascript:x\">",
    "{{1+1}}${jndi:x}",
];

#[test]
fn values_through_every_transformation() {
    rounds(40, VALUES, transformations);
}

#[test]
fn multipart_bodies() {
    let seeds = [
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=f; filename=\"x\\\"y\"\r\n Folded: 1\r\nContent-Type: text/xml\r\n\r\n<?\r\n--B--\r\n",
        "--B\nContent-Disposition: form-data; name='a'\n\nunion\n--B --\n--C\n",
    ];
    rounds(250, &seeds, multipart);
}

#[test]
fn json_bodies() {
    let seeds = [
        "{\"a\":[1,-2.5e3,true,null,\"\\u003cscript\\ud83d\\ude00\"],\"b\":{\"\":{}}}",
        "[[[[[[{\"x\":\"union\"}]]]]]]",
    ];
    rounds(250, &seeds, json);
}

#[test]
fn xml_bodies() {
    let seeds = [
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a b='&lt;'>&x;<c/><![CDATA[<script]]></a>",
        "<a><b><c d=\"1\" e='2'>union&#65;&#x41;</c></b></a>",
    ];
    rounds(250, &seeds, xml);
}

#[test]
fn injections() {
    rounds(250, VALUES, sqli);
    rounds(250, VALUES, xss);
}

#[test]
fn forms() {
    let seeds = [
        "a=1&b[]=%27+or+1&c=%u0041%zz&=&&d",
        "a=%00%ff&a=%c0%af&%3Cscript%3E=1;x=2",
    ];
    rounds(250, &seeds, urlencoded);
}

#[test]
fn transactions_against_the_core_rule_set_come_to_the_same_in_steps() {
    let seeds = [
        "\0search?q=' or 1=1--\nCookie: a=1; b=<script>\nX: ../../etc/passwd\n\na=1&b=union+select",
        "\u{1}api\nUser-Agent: x\n\n{\"a\":[{\"b\":\"<svg/onload=alert`1`>\"}]}",
        "\u{3}up\n\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.php\"\r\n\r\n<?php\r\n--B--\r\n",
        "\u{2}x\n\n<a b='${jndi:x}'>;cat /etc/passwd</a>",
    ];
    rounds(40, &seeds, crs);
}

#[test]
fn rule_files() {
    let seeds = [
        "SecRule ARGS:a|!ARGS:/^b/|&REQUEST_HEADERS \"@rx (?i)uni(?:on|t)\\s+[a-f]{2,5}\" \"id:1,phase:2,t:none,t:urlDecodeUni,t:lowercase,capture,msg:'x %{TX.1}',setvar:'tx.s=+%{tx.critical}',chain\"\n  SecRule TX:1 \"!@within on off\" \"setvar:tx.b=1\"\n",
        "SecAction \"id:2,phase:1,nolog,pass,ctl:ruleRemoveTargetById=1-9;ARGS:a,skipAfter:END\"\nSecMarker END\n# c \\\nSecRuleUpdateTargetByTag \"x\" \"!ARGS\"\nSecRuleRemoveById 1-5 7\n",
        "SecRule REQUEST_URI \"@pm a |41 42| c\" \"id:3,deny,status:406,severity:'CRITICAL',tag:'a/b',logdata:'%{MATCHED_VAR}',multiMatch\"\nSecDefaultAction \"phase:1,log,deny\"\nSecRule ARGS \"@rx (?<!x)y(?=z)+\" \"id:4\"\n",
    ];
    rounds(1500, &seeds, rule_file);
}
