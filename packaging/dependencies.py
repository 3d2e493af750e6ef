#!/usr/bin/env python3
"""Which packages a binary was built of, inside of it: the section `.dep-v0` as cargo-auditable writes it.

    dependencies.py NAME METADATA.json > FILE      the section's bytes, for objcopy --add-section .dep-v0=FILE
    dependencies.py --read FILE                    what such a section says, a package a line

Scanners (cargo audit bin, Trivy, Syft, Grype) find known flaws of a binary with it, wherever it was copied to. It is written
here and not by cargo-auditable, so that a build needs nothing but cargo, and the same lock file gives the same bytes.
"""
import json
import sys
import zlib


def is_build_time(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reached(nodes, packages, root, kinds):
    seen, todo = set(), [root]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for dep in nodes[at]["deps"]:
            if any(k["kind"] in kinds for k in dep["dep_kinds"]):
                if "build" in kinds or not is_build_time(packages[dep["pkg"]]):
                    todo.append(dep["pkg"])
    return seen


def listed(metadata, name):
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    root = next(i for i in metadata["workspace_members"] if packages[i]["name"] == name)
    all_of_it = reached(nodes, packages, root, (None, "build"))
    runs = reached(nodes, packages, root, (None,))
    order = sorted(all_of_it, key=lambda i: (packages[i]["name"], packages[i]["version"]))
    at = {i: n for n, i in enumerate(order)}
    out = []
    for i in order:
        package, source = packages[i], packages[i]["source"] or ""
        entry = {"name": package["name"], "version": package["version"]}
        entry["source"] = "crates.io" if source.startswith("registry+") else "git" if source.startswith("git+") else "local"
        if i not in runs:
            entry["kind"] = "build"
        on = {
            at[d["pkg"]]
            for d in nodes[i]["deps"]
            if d["pkg"] in at and any(k["kind"] in (None, "build") for k in d["dep_kinds"])
        }
        if on:
            entry["dependencies"] = sorted(on)
        if i == root:
            entry["root"] = True
        out.append(entry)
    return out


def main():
    if sys.argv[1] == "--read":
        with open(sys.argv[2], "rb") as file:
            packages = json.loads(zlib.decompress(file.read()))["packages"]
        for package in packages:
            print(package["name"], package["version"], package.get("kind", "runtime"))
        return
    with open(sys.argv[2]) as file:
        packages = listed(json.load(file), sys.argv[1])
    text = json.dumps({"packages": packages}, separators=(",", ":"))
    sys.stdout.buffer.write(zlib.compress(text.encode(), 9))


main()
