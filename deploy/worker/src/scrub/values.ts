/**
 * What is masked wherever it stands in a text. Each rule looks first for a sign that the text may hold it at all, so
 * that ordinary lines cost next to nothing; every repetition is bounded, so that no text costs much.
 */

import { ibanLength, isCard, isIban, isIpv4, isIpv6 } from "./checks";
import { masked, sensitive } from "./keys";

/** Takes a text, gives it back without what the rule knows. */
interface Rule {
  readonly name: string;
  /** Whether it is worth looking. */
  readonly hint: (text: string) => boolean;
  readonly apply: (text: string) => string;
}

/** Secrets whose form says what they are: cloud, code host, chat, payment, mail, package and model services. */
const TOKENS = new RegExp(
  [
    "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    "gh[pousr]_[A-Za-z0-9]{30,255}",
    "github_pat_[A-Za-z0-9_]{30,255}",
    "glpat-[A-Za-z0-9_-]{20,255}",
    "xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    "xapp-[A-Za-z0-9-]{10,255}",
    "(?:sk|rk|pk|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9]{16,255}",
    "sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,255}",
    "SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,128}",
    "AIza[A-Za-z0-9_-]{35}",
    "ya29\\.[A-Za-z0-9_-]{20,512}",
    "npm_[A-Za-z0-9]{30,64}",
    "pypi-[A-Za-z0-9_-]{50,512}",
    "pslo_[A-Za-z0-9_-]{16,255}",
  ].join("|"),
  "g",
);

const PEM = /-----BEGIN [A-Z0-9 ]{0,40}(?:KEY|CERTIFICATE)[A-Z0-9 ]{0,20}-----[^]*?(?:-----END [A-Z0-9 ]{0,60}-----|$)/g;
const CREDENTIALS = /\b([a-z][a-z0-9+.-]{1,30}:\/\/)[^\s/"'<>?#]{1,256}@/gi;
const JWT = /\beyJ[\w-]{5,8000}\.[\w-]{2,8000}(?:\.[\w-]{0,8000})?/g;
const SCHEME = /\b(bearer|basic|token|apikey)(\s{1,3}|%20|\+)([\w.~+/=-]{8,4096})/gi;
const NAME = /([A-Za-z][\w.-]{0,63})(?:\\{0,8}["'])?(?:\s{0,3}(?:=>|[=:])\s{0,3}|%3[dD])/g;
const EMAIL = /[\p{L}\p{N}._%+'-]{1,64}(?:@|%40)(?:[\p{L}\p{N}-]{1,63}\.){1,8}(?:\p{L}{2,24}|xn--[a-z\d-]{2,59})(?![\p{L}\p{N}])/giu;
const IBAN = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}/g;
const DIGITS = /(?<![\w.])\d(?:[ .\u00a0\n-]{0,2}\d){12,40}(?![\w])/g;
const IPV4 = /(?<![\w.]|[A-Za-z]\/)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w]|\.\d)/g;
const IPV6 = /(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:]{1,40}(?:\d{0,3}(?:\.\d{1,3}){3})?(?![\w:])/gi;
const SSN = /(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])/g;

export const RULES: readonly Rule[] = [
  rule("pem", "-----BEGIN", (text) => text.replace(PEM, "[pem]")),
  rule("url_credentials", "://", (text) => text.replace(CREDENTIALS, "$1[url_credentials]@")),
  rule("jwt", "eyJ", (text) => text.replace(JWT, "[jwt]")),
  rule("authorization", /bearer|basic|token|apikey/i, (text) => text.replace(SCHEME, scheme)),
  rule("token", /[A-Za-z0-9][_.-]|A[IKSBC]|ghp/, (text) => text.replace(TOKENS, token)),
  rule("secret", /[=:]|%3d/i, fields),
  rule("email", /@|%40/, (text) => text.replace(EMAIL, "[email]")),
  rule("iban", /[A-Za-z]{2}\d{2}/, (text) => text.replace(IBAN, iban)),
  rule("card", /\d[ .\u00a0\n-]{0,2}\d{2}/, (text) => text.replace(DIGITS, card)),
  rule("ssn", /\d-\d\d-\d/, (text) => text.replace(SSN, "[ssn]")),
  rule("ip", /\d\.\d|:[0-9a-f]*:/i, ips),
];

function rule(name: string, hint: string | RegExp, apply: (text: string) => string): Rule {
  const looks = typeof hint === "string" ? (text: string) => text.includes(hint) : (text: string) => hint.test(text);
  return { name, hint: looks, apply };
}

/** `Bearer` and what follows; a following plain word, as in "basic training", stays. */
function scheme(all: string, name: string, gap: string, value: string): string {
  return /^[a-z.]+$|^[A-Z]?[a-z]+$/.test(value) ? all : `${name}${gap}[authorization]`;
}

/** A token, unless it is the end of a longer word. */
function token(found: string, at: number, text: string): string {
  return /\w/.test(text[at - 1] ?? " ") ? found : "[token]";
}

/** `name=value`, `name: value`, `"name":"value"` (escaped too) with a sensitive name: the value is masked. */
function fields(text: string): string {
  let made = "";
  let done = 0;
  NAME.lastIndex = 0;
  for (let found = NAME.exec(text); found; found = NAME.exec(text)) {
    const name = found[1] ?? "";
    if (!sensitive(name)) continue;
    const from = found.index + found[0].length;
    const [start, end] = valueAt(text, from, /cookie|authorization/i.test(name) && found[0].includes(":"));
    if (end <= start || /^(?:null|true|false|undefined)$/.test(text.slice(start, end))) continue;
    made += `${text.slice(done, start)}${masked(name)}`;
    done = end;
    NAME.lastIndex = end;
  }
  return made + text.slice(done);
}

const QUOTE = /\\{0,8}["']/y;
const WORD = /[^\s,;&"'`\\{}[\]()<>]{1,4096}/y;
const LINE = /[^\n\r"']{1,8192}/y;

/** Where the value that begins at `from` starts and ends: within its quotes, to the end of the word, or of a header. */
function valueAt(text: string, from: number, header: boolean): [number, number] {
  QUOTE.lastIndex = from;
  const quote = QUOTE.exec(text)?.[0];
  if (quote) {
    const start = from + quote.length;
    let end = text.indexOf(quote, start);
    // a quote of the same kind after one more backslash belongs to the value
    while (end > start && text[end - 1] === "\\") end = text.indexOf(quote, end + 1);
    return [start, end < 0 ? text.length : end];
  }
  const rest = header ? LINE : WORD;
  rest.lastIndex = from;
  return [from, from + (rest.exec(text)?.[0].length ?? 0)];
}

/** What begins like an account number: as many letters and digits as its country has, spaces and hyphens aside. */
function iban(found: string): string {
  const length = ibanLength(found);
  if (length === undefined) return found;
  let at = 0;
  let signs = "";
  while (at < found.length && signs.length < length) {
    const sign = found[at++] ?? "";
    if (/[A-Za-z0-9]/.test(sign)) signs += sign.toUpperCase();
  }
  const next = found[at];
  if (next !== undefined && /[A-Za-z0-9]/.test(next)) return found;
  return isIban(signs) ? `[iban]${found.slice(at)}` : found;
}

/** Groups of digits: every run of whole groups that makes a card. "12 4111 1111 1111 1111" has one after the 12. */
function card(found: string): string {
  const groups = [...found.matchAll(/\d+/g)].map((g) => ({ digits: g[0], at: g.index, end: g.index + g[0].length }));
  for (let first = 0; first < groups.length; first++) {
    let digits = "";
    for (let last = first; last < groups.length && digits.length < 19; last++) {
      digits += groups[last]?.digits ?? "";
      if (!isCard(digits)) continue;
      const rest = found.slice(groups[last]?.end);
      return `${found.slice(0, groups[first]?.at)}[card]${card(rest)}`;
    }
  }
  return found;
}

function ips(text: string): string {
  const without6 = text.replace(IPV6, (found) => (isIpv6(found) ? "[ip]" : found));
  return without6.replace(IPV4, (found) => (isIpv4(found) ? "[ip]" : found));
}
