// Before anything is drawn: the theme that was chosen here, else the system's.
"use strict";
(() => {
  const KEY = "taosink.theme";
  const ORDER = ["auto", "light", "dark"];
  const kept = () => {
    try {
      return ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
    } catch {
      return "auto"; // storage can be forbidden
    }
  };
  const put = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
      button.setAttribute("aria-label", `Colours: ${theme}. Press to change`);
    }
  };
  put(kept());
  document.addEventListener("DOMContentLoaded", () => {
    put(kept());
    document.getElementById("theme").addEventListener("click", () => {
      const next = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // it holds for as long as the page is open
      }
      put(next);
    });
  });
})();
