// Runs before the page is painted, so that a chosen theme does not flash.
"use strict";

(() => {
  const THEMES = ["light", "dark"];
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  /** The theme that was chosen, or null. Storage may be forbidden. */
  function chosen() {
    try {
      const theme = localStorage.getItem("theme");
      return THEMES.includes(theme) ? theme : null;
    } catch {
      return null;
    }
  }

  function show(theme) {
    if (theme) root.dataset.theme = theme;
    document.getElementById("theme")?.setAttribute("aria-pressed", String(isDark()));
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  }

  function change() {
    const theme = isDark() ? "light" : "dark";
    show(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      root.dataset.theme = theme; // until the page is left
    }
  }

  show(chosen());
  dark.addEventListener("change", () => show(null));
  addEventListener("DOMContentLoaded", () => {
    show(null);
    document.getElementById("theme").addEventListener("click", change);
  });
})();
