// The shop works without this. With it: the cart's count, and menus that need no button.
"use strict";
const count = document.cookie.match(/(?:^|; )cart_count=(\d{1,4})/);
const badge = document.querySelector("[data-cart-count]");
if (badge && count && count[1] !== "0") {
  badge.textContent = count[1];
  badge.hidden = false;
}
for (const field of document.querySelectorAll("[data-submit]")) {
  field.form.classList.add("auto");
  field.addEventListener("change", () => field.form.requestSubmit());
}
// Filters are folded on small screens and open on large ones.
const wide = matchMedia("(min-width: 60.01rem)");
for (const facets of document.querySelectorAll("[data-facets]")) {
  const fold = () => { facets.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
}
