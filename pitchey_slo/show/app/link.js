// Messages to and from the server, and what happens when it is gone: the page says so, waits, and loads itself again.

const PATIENCE = 20000

/** A link over what Panel's component carries: look(question), act(name, args) -> Promise, on(kind, then). */
export function connect(wire) {
  const waiting = new Map()
  const listening = new Map()
  const decoder = new TextDecoder()
  let number = 0

  wire.hear((said) => {
    const message = JSON.parse(decoder.decode(bytes(said)))
    link.heard = performance.now()
    if (message.id !== undefined && message.id !== null && waiting.has(message.id)) {
      const { done, failed, timer } = waiting.get(message.id)
      waiting.delete(message.id)
      clearTimeout(timer)
      if (message.kind === "done") done(message.value)
      else failed(Object.assign(new Error(message.message), { reason: message.reason, detail: message.detail }))
      return
    }
    for (const then of listening.get(message.kind) ?? []) then(message)
  })

  const link = {
    heard: performance.now(),
    look: (question) => wire.send(question),
    rest: () => wire.send({ do: "rest" }),
    had: () => wire.send({ do: "had" }),
    /** Do something on the server; rejects with {message, reason, detail}. */
    act(name, args = {}) {
      const id = ++number
      return new Promise((done, failed) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          failed(new Error("the server did not answer in time; look whether it was done before you try again"))
        }, PATIENCE)
        waiting.set(id, { done, failed, timer })
        wire.send({ do: "act", id, name, args })
      })
    },
    on(kind, then) {
      listening.set(kind, [...(listening.get(kind) ?? []), then])
    },
  }
  return link
}

function bytes(said) {
  const found = said?.b ?? said
  if (found instanceof ArrayBuffer || ArrayBuffer.isView(found)) return found
  if (found?.buffer) return found.buffer
  return new TextEncoder().encode(typeof found === "string" ? found : JSON.stringify(found))
}

/** Ask every second whether the server answers again; then load the page, whose address says what was looked at. */
export function comeBack(told) {
  let tries = 0
  const again = async () => {
    tries += 1
    try {
      const answer = await fetch("/alive", { cache: "no-store", signal: AbortSignal.timeout(4000) })
      if (answer.ok) return location.reload()
    } catch { /* still away */ }
    told(tries)
    setTimeout(again, Math.min(1000 * tries, 5000))
  }
  again()
}
