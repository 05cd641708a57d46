/**
 * The route of a request: the router's pattern, or the path with ids replaced.
 *
 * A route is a label, so there must be few. Without a router new ones are learnt from answers only that are not 404:
 * those who look for /wp-login.php and a thousand others make one route, `(unmatched)`.
 */

export const UNMATCHED = "(unmatched)";
export const OTHER = "(other)";

/** Routes learnt from paths, per isolate. */
const MOST = 300;

const ID = [
  /^\d+$/,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^(?=.*\d)[0-9a-f]{7,}$/i, // hashes
  /^[0-9A-HJKMNP-TV-Z]{26}$/, // ULID
  /^(?=.*\d)[\w-]{20,}$/, // other keys; words in slugs rarely are that long with a digit in them
  /^[a-z]{2,8}_(?=.*\d)\w{8,}$/i, // usr_1a2b3c4d
  /[@%]/, // addresses and what had to be encoded
  /^\d{4}-\d{2}-\d{2}/,
];

/** `/api/pitches/42` -> `/api/pitches/:id`. */
export function pathPattern(path: string): string {
  const parts = path.split("/").slice(0, 12);
  return parts.map((part) => (ID.some((id) => id.test(part)) ? ":id" : part.slice(0, 64))).join("/") || "/";
}

export class Routes {
  private readonly known = new Set<string>();

  /** The route to write down. `pattern` is the router's, null when it matched none, undefined without a router. */
  of(request: Request, status: number, pattern: string | null | undefined): string {
    if (pattern) return pattern;
    if (pattern === null) return UNMATCHED;
    const made = pathPattern(new URL(request.url).pathname);
    if (this.known.has(made)) return made;
    if (status === 404) return UNMATCHED;
    if (this.known.size >= MOST) return OTHER;
    this.known.add(made);
    return made;
  }
}
