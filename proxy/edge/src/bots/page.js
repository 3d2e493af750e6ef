(function () {
  "use strict";
  var main = document.getElementById("challenge"), state = document.getElementById("state");
  var bar = main.querySelector("progress"), data = main.dataset;
  var bits = Number(data.bits), expected = Math.pow(2, bits);
  // The constants of SHA-256: the first 32 bits behind the points of square and cube roots of primes (FIPS 180-4, 4.2.2).
  var start = [], round = [], primes = [];
  for (var n = 2; primes.length < 64; n++) {
    if (primes.every(function (p) { return n % p; })) {
      if (primes.length < 8) start.push((Math.pow(n, 1 / 2) * 4294967296) | 0);
      round.push((Math.pow(n, 1 / 3) * 4294967296) | 0);
      primes.push(n);
    }
  }
  function turn(x, by) { return (x >>> by) | (x << (32 - by)); }
  // The first word of the hash of a text that fits one block.
  function first(text) {
    var w = new Int32Array(64), i, h = start.slice();
    for (i = 0; i < text.length; i++) w[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i & 3));
    w[text.length >> 2] |= 128 << (24 - 8 * (text.length & 3));
    w[15] = text.length * 8;
    for (i = 16; i < 64; i++) {
      var a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
    }
    for (i = 0; i < 64; i++) {
      var s = turn(h[4], 6) ^ turn(h[4], 11) ^ turn(h[4], 25);
      var one = (h[7] + s + ((h[4] & h[5]) ^ (~h[4] & h[6])) + round[i] + w[i]) | 0;
      s = turn(h[0], 2) ^ turn(h[0], 13) ^ turn(h[0], 22);
      var two = (s + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2]))) | 0;
      h = [(one + two) | 0, h[0], h[1], h[2], (h[3] + one) | 0, h[4], h[5], h[6]];
    }
    return (h[0] + start[0]) >>> 0;
  }
  function solved(number) {
    document.cookie = data.cookie + "=" + data.puzzle + "-" + number + "; Path=/; Max-Age=" + data.age + "; SameSite=Lax" +
      (location.protocol === "https:" ? "; Secure" : "");
    if (document.cookie.indexOf(data.cookie + "=") < 0) {
      say("Your browser keeps no cookie of this site, and the result is carried in one. Allow it, and load the page again.");
      return;
    }
    say("Done. The page is loaded.");
    location.reload();
  }
  function say(text) { state.textContent = text; }
  // A proof that is not taken must not be made for ever.
  var tries = 0;
  try {
    var since = Number(sessionStorage.getItem("seawall-since") || 0);
    tries = Date.now() - since < 60000 ? Number(sessionStorage.getItem("seawall-tries") || 0) : 0;
    if (!tries) sessionStorage.setItem("seawall-since", Date.now());
    sessionStorage.setItem("seawall-tries", tries + 1);
  } catch (e) { tries = 0; }
  if (tries >= 3) {
    bar.hidden = true;
    say("The result of your browser was not accepted three times. Wait a minute and load the page again; if that does not help, tell the site's operator the request id below.");
    return;
  }
  var limit = 32 - bits, number = 0;
  (function work() {
    for (var end = number + 2000; number < end; number++) {
      if (first(data.puzzle + "-" + number) >>> limit === 0) return solved(number);
    }
    // The chance that it would have been found by now: an honest measure of work without a known end.
    bar.value = 1 - Math.exp(-number / expected);
    setTimeout(work, 0);
  })();
})();
