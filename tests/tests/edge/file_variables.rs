//! `$document_root`, `$realpath_root` and `$request_filename`: what a location's files are, told as nginx tells it.

use seawall_tests::{Client, Edge, Origin, free_address, php::Nginx};
use std::os::unix::fs::symlink;

const SERVER: &str = "server {
    listen @http@; root @dir@/www;
    if (-f $request_filename) { set $there file; }
    if (-d $request_filename) { set $there directory; }
    set $early $request_filename;
    location / { return 200 \"$document_root|$realpath_root|$request_filename|$there|$early\"; }
    location /own/ { root @dir@/linked; return 200 \"$document_root|$realpath_root|$request_filename|$there\"; }
    location /alias/ { alias @dir@/linked/; return 200 \"$document_root|$realpath_root|$request_filename\"; }
    location ~ ^/expression/(.*)$ { alias @dir@/www/$1; return 200 \"$document_root|$request_filename\"; }
    location /front/ { if (!-e $request_filename) { rewrite ^ /index.php last; } return 200 found; }
    location /none/ { root @dir@/nowhere; return 200 \"$document_root|$request_filename\"; }
    location /inner/ { if ($arg_a) { set $seen $request_filename; } return 200 \"$request_filename|$seen\"; }
    location /passed/ { proxy_set_header X-File $request_filename; proxy_set_header X-Root $mapped; proxy_pass http://@origin@; }
}";

#[test]
fn what_a_locations_files_are_is_told_as_nginx_tells_it() {
    let origin = Origin::start();
    let peer = free_address();
    let http = format!("map $document_root $mapped {{ default \"is $document_root\"; }}\n{SERVER}")
        .replace("@origin@", &origin.to_string());
    let edge = Edge::nginx(format!("events {{}} http {{ {http} }}"));
    edge.write("www/a.txt", "a");
    edge.write("www/directory/b.txt", "b");
    edge.write("www/front/c.txt", "c");
    edge.write("real/own/d.txt", "d");
    symlink("real", edge.path("linked")).expect("a link");
    let theirs = edge.fill_in(&http.replace("@http@", &peer.to_string()));
    let edge = edge.start();
    let _nginx = Nginx::start(&edge.path(""), peer, &theirs);
    for target in [
        "/",
        "/a.txt",
        "/directory",
        "/directory/b.txt",
        "/directory/../a%2etxt?x=y",
        "/missing",
        "/own/d.txt",
        "/own/",
        "/alias/own/d.txt",
        "/alias/",
        "/expression/a.txt",
        "/front/c.txt",
        "/front/nothing",
        "/none/at-all",
        "/inner/x",
        "/inner/a?a=1",
    ] {
        let (ours, theirs) = (
            edge.get("a.test", target),
            Client::connect(peer).get("a.test", target),
        );
        assert_eq!(
            (ours.status, ours.text()),
            (theirs.status, theirs.text()),
            "{target}"
        );
    }
    let www = edge.path("www").display().to_string();
    assert_eq!(
        edge.get("a.test", "/a.txt").text(),
        format!("{www}|{www}|{www}/a.txt|file|{www}/a.txt")
    );
    edge.get("a.test", "/passed/x");
    let ours = origin.last();
    assert_eq!(
        ours.field("X-File"),
        Some(format!("{www}/passed/x").as_str())
    );
    assert_eq!(ours.field("X-Root"), Some(format!("is {www}").as_str()));
}

#[test]
fn yaml_names_the_root_of_the_route_that_answers() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - path: /files
        root: @dir@/www
        headers: { response: { set: { X-File: $request_filename, X-Root: $document_root } } }
      - { path: /, respond: { status: 200, body: \"[$document_root] $request_filename\" } }
",
    );
    edge.write("www/files/a.txt", "a");
    let edge = edge.start();
    let www = edge.path("www").display().to_string();
    let file = edge.get("a.test", "/files/a.txt");
    assert_eq!(file.has("X-File"), format!("{www}/files/a.txt"));
    assert_eq!(file.has("X-Root"), www);
    assert_eq!(
        edge.get("a.test", "/x").text(),
        "[] /x",
        "no root, no file but the path"
    );
}

#[test]
fn a_root_made_of_itself_is_refused() {
    for root in ["/x/$request_filename", "$realpath_root", "$of_it"] {
        let edge = Edge::nginx(format!(
            "events {{}} http {{ map $uri $of_it {{ default $document_root; }}
             server {{ listen @http@; location / {{ root {root}; }} }} }}"
        ));
        let (_, said) = edge.start_in_vain();
        assert!(said.contains("a root cannot be made of"), "{root}: {said}");
    }
}
