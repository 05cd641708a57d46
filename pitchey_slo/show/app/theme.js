// Runs before anything is drawn, so that a dark page never flashes light. The choice is this browser's, not the link's.
(() => {
  let chosen = "system"
  try { chosen = localStorage.getItem("pitchey-theme") || "system" } catch { /* storage is switched off */ }
  const dark = chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches)
  document.documentElement.dataset.theme = dark ? "dark" : "light"
})()
