#!/usr/bin/env python3
"""The bill of materials of a binary, from Cargo.lock: CycloneDX 1.5, the same bytes for the same lock file.

    sbom.py NAME VERSION TIMESTAMP < Cargo.lock metadata.json > sbom.cdx.json

Reads `cargo metadata --format-version 1` from the file that the last argument names, because Cargo.lock has no licences.
Only what NAME reaches by other than dev-dependencies is listed.
"""
import json
import sys
import uuid
from datetime import datetime, timezone


def reached(metadata, roots):
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    seen, todo = set(), list(roots)
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for dep in nodes[at]["deps"]:
            if any(kind["kind"] != "dev" for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return seen, nodes


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package.get("license"):
        # Cargo once wrote alternatives with a slash.
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return entry


def read_lock(path):
    import tomllib

    with open(path, "rb") as file:
        lock = tomllib.load(file)
    return {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}


def main():
    names, version, epoch, lock, metadata_path = sys.argv[1].split(","), *sys.argv[2:6]
    with open(metadata_path) as file:
        metadata = json.load(file)
    checksums = read_lock(lock)
    packages = {p["id"]: p for p in metadata["packages"]}
    roots = [i for i, p in packages.items() if p["name"] in names and i in metadata["workspace_members"]]
    seen, nodes = reached(metadata, roots)
    ordered = sorted((packages[i] for i in seen), key=lambda p: (p["name"], p["version"]))
    stamp = datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    components = [component(p, checksums) for p in ordered]
    depends = []
    for package in ordered:
        deps = nodes[package["id"]]["deps"]
        on = {purl(packages[d["pkg"]]) for d in deps if d["pkg"] in seen}
        depends.append({"ref": purl(package), "dependsOn": sorted(on)})
    content = json.dumps(components, sort_keys=True)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": stamp,
            "component": {"type": "application", "bom-ref": "seawall", "name": "seawall", "version": version},
        },
        "components": components,
        "dependencies": depends,
    }
    json.dump(bom, sys.stdout, indent=1, sort_keys=True)
    print()


main()
