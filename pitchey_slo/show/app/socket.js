// Runs before Bokeh: its client says nothing to a page when the WebSocket closes, so the socket itself is listened to.
(() => {
  const Native = window.WebSocket
  let leaving = false
  window.addEventListener("pagehide", () => (leaving = true))
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given)
      this.addEventListener("close", () => leaving || window.dispatchEvent(new Event("pitchey-lost")))
    }
  }
})()
