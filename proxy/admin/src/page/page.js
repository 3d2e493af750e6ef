// Shows what the API says, every two seconds. Values become text, never markup.
"use strict";

function show(value) {
  if (value === null || typeof value !== "object") {
    return document.createTextNode(value === null ? "–" : String(value));
  }
  const table = document.createElement("table");
  for (const [name, inner] of Object.entries(value)) {
    const row = table.insertRow();
    const head = document.createElement("th");
    head.textContent = name;
    row.append(head);
    row.insertCell().append(show(inner));
  }
  return table;
}

async function refresh() {
  const said = document.getElementById("said");
  try {
    for (const name of ["status", "pools"]) {
      const answer = await fetch("/api/v1/" + name);
      if (!answer.ok) throw new Error(name + ": " + answer.status);
      document.getElementById(name).replaceChildren(show(await answer.json()));
    }
    said.textContent = "as of " + new Date().toLocaleTimeString();
    said.className = "";
  } catch (error) {
    said.textContent = "the daemon does not answer (" + error.message + ")";
    said.className = "failed";
  }
  setTimeout(refresh, 2000);
}

refresh();
