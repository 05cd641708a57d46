// Numbers, lengths and moments for readers. Rounding happens here and nowhere else.

const MINUS = "−"
const SCALES = { short: [[1e9, " B"], [1e6, " M"], [1e3, " K"]], bytes: [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]] }

/** [number, unit] as texts, so that the unit can stand smaller. What is missing is ["–", ""]. */
export function parts(value, unit = "none", decimals = null) {
  if (value === null || value === undefined || Number.isNaN(value)) return ["–", ""]
  if (typeof value !== "number") return [String(value), ""]
  switch (unit) {
    case "ratio": return [digits(value * 100, decimals ?? best(value * 100)), "%"]
    case "percent": return [digits(value, decimals ?? best(value)), "%"]
    case "seconds": return time(value, decimals)
    case "milliseconds": return time(value / 1000, decimals)
    case "days": return Math.abs(value) < 1 ? time(value * 86400, decimals) : [digits(value, decimals ?? best(value)), "d"]
    case "bytes": return scaled(value, SCALES.bytes, decimals)
    case "per_second": return [scaled(value, SCALES.short, decimals).join(""), "/s"]
    case "per_minute": return [scaled(value, SCALES.short, decimals).join(""), "/min"]
    case "burn": return [digits(value, decimals ?? best(value)), "×"]
    case "time": return [moment(value), ""]
    case "money": return [digits(value, decimals ?? (Math.abs(value) >= 1000 ? 0 : 2)), ""]
    case "short": return scaled(value, SCALES.short, decimals)
    default: return [Math.abs(value) >= 1e6 ? scaled(value, SCALES.short, decimals).join("") : digits(value, decimals ?? best(value)), ""]
  }
}

/** One text: 12.3 %, 412 ms, 1.2 K. */
export function full(value, unit, decimals) {
  const [number, sign] = parts(value, unit, decimals)
  return sign && !sign.startsWith(" ") && !sign.startsWith("/") ? `${number} ${sign}` : number + sign
}

function scaled(value, scale, decimals) {
  const found = scale.find(([from]) => Math.abs(value) >= from)
  if (!found) return [digits(value, decimals ?? best(value)), scale === SCALES.bytes ? "B" : ""]
  const small = value / found[0]
  return [digits(small, found[0] === 1 ? 0 : decimals ?? best(small)), found[1]]
}

function time(seconds, decimals) {
  const size = Math.abs(seconds)
  if (size === 0) return ["0", "s"]
  if (size < 1e-3) return [digits(seconds * 1e6, 0), "µs"]
  if (size < 1) return [digits(seconds * 1e3, size < 0.01 ? 1 : 0), "ms"]
  if (size < 120) return [digits(seconds, decimals ?? (size < 10 ? 2 : 1)), "s"]
  if (size < 7200) return [digits(seconds / 60, 0), "min"]
  if (size < 172800) return [digits(seconds / 3600, 1), "h"]
  return [digits(seconds / 86400, 1), "d"]
}

function best(value) {
  const size = Math.abs(value)
  return size === 0 || size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3
}

const digits = (value, count) =>
  value.toLocaleString("en-US", { minimumFractionDigits: count, maximumFractionDigits: count }).replace("-", MINUS)

const two = (n) => String(n).padStart(2, "0")
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")
const DAYS = "Sun Mon Tue Wed Thu Fri Sat".split(" ")

/** A moment in UTC: 14:05:10 today, else 3 Nov 14:05. Takes ms or ISO 8601. */
export function moment(at, now = Date.now()) {
  const ms = when(at)
  if (ms === null) return "–"
  const d = new Date(ms), today = new Date(now).toISOString().slice(0, 10) === d.toISOString().slice(0, 10)
  const clock = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`
  return today ? `${clock}:${two(d.getUTCSeconds())}` : `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${clock}`
}

/** Mon 3 Nov 2026 14:05:10 UTC. */
export function exactly(at) {
  const ms = when(at)
  if (ms === null) return "–"
  const d = new Date(ms)
  return `${DAYS[d.getUTCDay()]} ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} UTC`
}

/** ms of a moment given as ms or ISO 8601; null when it is none. */
export function when(at) {
  const ms = typeof at === "number" ? at : typeof at === "string" ? Date.parse(at) : NaN
  return Number.isFinite(ms) ? ms : null
}

/** 12 s, 4 min, 3 h, 2 d. */
export function length(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}

/** How long ago: 4 min ago. */
export function ago(at, now = Date.now()) {
  const ms = when(at)
  return ms === null ? "–" : ms > now + 1000 ? `in ${length(ms - now)}` : `${length(now - ms)} ago`
}
