// Types of widgets: one file each, named as the type. A file calls register(type, {draw, update, dispose, empty}).
const types = new Map()

/** Make a type known; README.md in this folder says what each function gets. */
export function register(type, implementation) {
  types.set(type, implementation)
}

/** The implementation of a type, its file loaded when it is first needed. */
export async function load(type) {
  if (!/^[a-z_]+$/.test(type)) throw new Error(`no type ${type}`)
  if (!types.has(type)) await import(`./${type}.js`)
  if (!types.has(type)) throw new Error(`${type}.js registers no ${type}`)
  return types.get(type)
}
