//! W3C Trace Context: what the origin gets, what the logs say.

use seawall_tests::{Edge, Origin, Running, eventually};

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A daemon with these words under `log`.
fn traced(origin: &Origin, traces: &str) -> Running {
    let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]"));
    let text = std::fs::read_to_string(edge.config()).unwrap();
    let format = "format: '$trace_id $span_id $parent_span_id $trace_sampled'";
    let text = text.replace(
        "buffer: 0 }",
        &format!("buffer: 0, {format} }}\n  {traces}"),
    );
    std::fs::write(edge.config(), text).unwrap();
    edge.start()
}

/// What the origin got of a request with these lines: its `traceparent`, split, and its `tracestate`.
fn asked(edge: &Running, origin: &Origin, lines: &str) -> (Vec<String>, Option<String>) {
    let answer = edge.exchange(format!("GET /t HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n"));
    assert_eq!(answer.status, 200);
    let got = origin.last();
    assert_eq!(got.count("traceparent"), 1, "{:?}", got.fields);
    let parent = got.field("traceparent").unwrap_or_default();
    let parts = parent.split('-').map(str::to_owned).collect();
    (parts, got.field("tracestate").map(str::to_owned))
}

#[test]
fn a_trace_is_gone_on_with_by_a_step_of_our_own_and_named_in_the_log() {
    let origin = Origin::start();
    origin.serve("/t", "", "ok");
    let edge = traced(&origin, "traces: { sample: 0% }");
    let lines = format!("traceparent: 00-{ID}-{PARENT}-01\r\ntracestate: vendor=1,other=2\r\n");
    let (parts, state) = asked(&edge, &origin, &lines);
    assert_eq!(
        (parts[0].as_str(), parts[1].as_str(), parts[3].as_str()),
        ("00", ID, "01")
    );
    assert!(parts[2] != PARENT && parts[2].len() == 16, "{parts:?}");
    assert_eq!(state.as_deref(), Some("vendor=1,other=2"));
    let line = eventually("a line", || {
        edge.access_log().lines().next().map(str::to_owned)
    });
    assert_eq!(line, format!("{ID} {} {PARENT} 1", parts[2]));
}

#[test]
fn a_broken_or_missing_parent_begins_a_trace_and_takes_its_state_away() {
    let origin = Origin::start();
    origin.serve("/t", "", "ok");
    let edge = traced(&origin, "traces: { sample: 0% }");
    let two = format!("traceparent: 00-{ID}-{PARENT}-01\r\n").repeat(2);
    let broken = [
        String::new(),
        "traceparent: 00-xyz-1-01\r\n".to_owned(),
        format!("traceparent: ff-{ID}-{PARENT}-01\r\n"),
        format!("traceparent: 00-{}-{PARENT}-01\r\n", "0".repeat(32)),
        two,
    ];
    let mut seen = std::collections::BTreeSet::new();
    for lines in broken {
        let (parts, state) = asked(&edge, &origin, &format!("{lines}tracestate: vendor=1\r\n"));
        assert_eq!(
            (parts[0].as_str(), parts[3].as_str(), state),
            ("00", "00", None),
            "{lines}"
        );
        assert!(parts[1] != ID && parts[1].len() == 32, "{parts:?}");
        seen.insert(parts[1].clone());
    }
    assert_eq!(seen.len(), 5, "each a trace of its own");
    let edge = traced(&origin, "traces: on");
    let (parts, _) = asked(&edge, &origin, "");
    assert_eq!(parts[3], "01", "all are kept");
}

#[test]
fn where_traces_are_off_both_fields_pass_as_they_came() {
    let origin = Origin::start();
    origin.serve("/t", "", "ok");
    let edge = traced(&origin, "");
    let (parts, state) = asked(
        &edge,
        &origin,
        "traceparent: 00-whatever\r\ntracestate: a=b\r\n",
    );
    assert_eq!(
        (parts.join("-").as_str(), state.as_deref()),
        ("00-whatever", Some("a=b"))
    );
    let line = eventually("a line", || {
        edge.access_log().lines().next().map(str::to_owned)
    });
    assert_eq!(line, "- - - -");
}

#[test]
fn spans_of_what_is_kept_reach_a_collector() {
    let origin = Origin::start();
    origin.serve("/t", "", "ok");
    let collector = Origin::start();
    collector.serve("/v1/traces", "Content-Type: application/json\r\n", "{}");
    let traces = format!(
        "traces: {{ sample: 0%, otlp: \"http://{}\" }}",
        collector.address()
    );
    let edge = traced(&origin, &traces);
    // One that is not kept, then one that is.
    asked(&edge, &origin, "");
    let (parts, _) = asked(
        &edge,
        &origin,
        &format!("traceparent: 00-{ID}-{PARENT}-01\r\n"),
    );
    let body = eventually("a message", || {
        let all = collector.received();
        all.iter()
            .find(|r| r.target == "/v1/traces")
            .map(|r| r.body.clone())
    });
    let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let spans = message["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .as_array()
        .unwrap();
    assert_eq!(spans.len(), 1, "{message}");
    assert_eq!(spans[0]["traceId"], ID);
    assert_eq!(spans[0]["parentSpanId"], PARENT);
    assert_eq!(spans[0]["spanId"], parts[2].as_str());
    assert_eq!(spans[0]["kind"], 2);
    let attribute = |name: &str| {
        let all = spans[0]["attributes"].as_array().unwrap();
        all.iter().find(|a| a["key"] == name).unwrap()["value"].clone()
    };
    assert_eq!(attribute("http.response.status_code")["intValue"], "200");
    assert_eq!(attribute("url.path")["stringValue"], "/t");
    edge.counts("seawall_spans_total{result=\"sent\"}", 1);
    // Nobody waits for one that is gone.
    collector.stop();
    asked(
        &edge,
        &origin,
        &format!("traceparent: 00-{ID}-{PARENT}-01\r\n"),
    );
    eventually("lost", || {
        (edge.metric("seawall_spans_total{result=\"lost\"}") == 1).then_some(())
    });
}
