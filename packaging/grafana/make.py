#!/usr/bin/env python3
"""The Grafana dashboard, from its rows: `make.py > seawall.json`. A row is a signal of the golden four, or a room."""
import json
import sys

ROWS = [
    ("Traffic", [
        ("Requests a second, by site", "sum by (site) (rate(seawall_requests_total[$__rate_interval]))", "reqps"),
        ("Connections open", "seawall_connections", "short"),
        ("DNS answers a second, by code", "sum by (rcode) (rate(seawall_dns_answers_total[$__rate_interval]))", "reqps"),
    ]),
    ("Errors", [
        ("Share of 5xx, by site", 'sum by (site) (rate(seawall_requests_total{class="5xx"}[$__rate_interval])) / sum by (site) (rate(seawall_requests_total[$__rate_interval]))', "percentunit"),
        ("Error budget left (30 days)", "seawall:error_budget:remaining30d", "percentunit"),
        ("Refused before a route, a second", "sum(rate(seawall_unknown_hosts_total[$__rate_interval])) + sum(rate(seawall_tls_failures_total[$__rate_interval]))", "reqps"),
    ]),
    ("Latency", [
        ("p50", "histogram_quantile(0.5, sum by (site, le) (rate(seawall_request_duration_seconds_bucket[$__rate_interval])))", "s"),
        ("p95", "histogram_quantile(0.95, sum by (site, le) (rate(seawall_request_duration_seconds_bucket[$__rate_interval])))", "s"),
        ("p99", "histogram_quantile(0.99, sum by (site, le) (rate(seawall_request_duration_seconds_bucket[$__rate_interval])))", "s"),
    ]),
    ("Saturation", [
        ("Connections refused a second", "rate(seawall_connections_refused_total[$__rate_interval])", "reqps"),
        ("Stalls a second (over 1 ms on a thread)", "rate(seawall_stalls_total[$__rate_interval])", "short"),
        ("Client timeouts a second", "sum by (waiting_for) (rate(seawall_client_timeouts_total[$__rate_interval]))", "short"),
    ]),
    ("Cache", [
        ("Hit ratio, by site", 'sum by (site) (rate(seawall_cache_requests_total{result=~"hit|stale|revalidated|join"}[$__rate_interval])) / sum by (site) (rate(seawall_cache_requests_total[$__rate_interval]))', "percentunit"),
        ("Results a second", "sum by (result) (rate(seawall_cache_requests_total[$__rate_interval]))", "reqps"),
        ("Bytes in memory", "seawall_cache_bytes", "bytes"),
    ]),
    ("Origins", [
        ("Servers up", "sum by (pool) (seawall_server_up)", "short"),
        ("Events a second", "sum by (pool, event) (rate(seawall_origin_events_total[$__rate_interval]))", "short"),
        ("Retries a second", "rate(seawall_retries_total[$__rate_interval])", "short"),
    ]),
    ("WAF, access, certificates", [
        ("WAF, requests a second", "sum by (site, action) (rate(seawall_waf_requests_total[$__rate_interval]))", "reqps"),
        ("Access, decisions a second", "sum by (result) (rate(seawall_access_total[$__rate_interval]))", "reqps"),
        ("Reloads, and refused ones", "increase(seawall_reloads_total[$__rate_interval])", "short"),
    ]),
]


def main():
    panels, number, y = [], 0, 0
    for title, row in ROWS:
        number += 1
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        y += 1
        for at, (name, expr, unit) in enumerate(row):
            number += 1
            panels.append({
                "id": number, "type": "timeseries", "title": name,
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "gridPos": {"h": 8, "w": 8, "x": at * 8, "y": y},
                "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
                "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}},
                "targets": [{"refId": "A", "expr": expr, "datasource": {"type": "prometheus", "uid": "${datasource}"}}],
            })
        y += 8
    board = {
        "uid": "seawall", "title": "Seawall", "tags": ["seawall"], "schemaVersion": 38, "editable": True, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "panels": panels,
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]},
    }
    json.dump(board, sys.stdout, indent=1)
    print()


main()
