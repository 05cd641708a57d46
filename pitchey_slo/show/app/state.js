// What is looked at, kept in the address so that a link shows what its sender saw. The theme is not part of it.

export const SPANS = [["15m", "15 minutes"], ["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]]

/** {board, span, start, end, compare, variables: {name: [values]}, open} of an address. */
export function read(address = location.href) {
  const url = new URL(address)
  const given = url.searchParams
  const variables = {}
  for (const [name, value] of given) if (name.startsWith("var-")) (variables[name.slice(4)] ??= []).push(value)
  return {
    board: decodeURIComponent(url.pathname.split("/")[2] ?? ""),
    span: given.get("range") ?? "",
    start: given.get("start") ?? "",
    end: given.get("end") ?? "",
    compare: given.get("compare") ?? "",
    variables,
    open: given.get("widget") ?? "",
  }
}

/** The address of a view. */
export function address(view) {
  const given = new URLSearchParams()
  if (view.start) {
    given.set("start", view.start)
    given.set("end", view.end)
  } else if (view.span) given.set("range", view.span)
  if (view.compare) given.set("compare", view.compare)
  for (const [name, values] of Object.entries(view.variables)) for (const value of [values].flat()) given.append(`var-${name}`, value)
  if (view.open) given.set("widget", view.open)
  const query = given.toString().replaceAll("%2F", "/").replaceAll("%3A", ":")
  return `/show/${encodeURIComponent(view.board)}${query ? `?${query}` : ""}`
}

/** What the server is asked for. */
export const question = (view) => ({ do: "look", board: view.board, span: view.start ? "" : view.span, start: view.start, end: view.end, compare: view.compare, variables: view.variables })

/** Whether two views ask the same of the server. */
export const alike = (a, b) => JSON.stringify(question(a)) === JSON.stringify(question(b))
