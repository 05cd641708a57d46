// New points come to those that are there: from the first new time on everything is replaced, what is too old is dropped.

/** Put what came after the watermark into `held`; returns the ids of the widgets that changed. */
export function merge(held, more) {
  const changed = new Set()
  const moved = more.range && more.range.end !== held.range?.end
  for (const name of ["range", "watermark", "newest", "annotations", "variables", "version"]) if (more[name] !== undefined) held[name] = more[name]
  for (const [id, data] of Object.entries(more.widgets ?? {})) {
    if (data.append && !held.widgets[id]?.times) continue // half of it is of no use; the next answer has all
    held.widgets[id] = data.append && held.widgets[id]?.times ? appended(held.widgets[id], data, held.range.start) : data
    changed.add(id)
  }
  return { changed, moved }
}

function appended(old, more, start) {
  const from = more.times.length ? more.times[0] : Infinity
  const kept = old.times.map((t, i) => i).filter((i) => old.times[i] < from && old.times[i] >= start)
  const times = [...kept.map((i) => old.times[i]), ...more.times]
  const lines = (before, after) => {
    const found = new Map()
    for (const line of before ?? []) found.set(key(line), { ...line, values: [...kept.map((i) => line.values[i]), ...more.times.map(() => null)] })
    for (const line of after ?? []) {
      const held = found.get(key(line)) ?? { ...line, values: kept.map(() => null) }
      found.set(key(line), { ...held, values: [...held.values.slice(0, kept.length), ...line.values] })
    }
    return [...found.values()].filter((line) => line.values.some((v) => v !== null))
  }
  const { append: _, ...rest } = more
  return { ...old, ...rest, times, series: lines(old.series, more.series), ...(more.compare || old.compare ? { compare: lines(old.compare, more.compare) } : {}) }
}

const key = (line) => JSON.stringify([line.name, line.labels])
