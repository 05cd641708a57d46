/** Checks that tell a card from an order number, and an account from a word: Luhn, ISO 7064, RFC 4291. */

/** Issuers' first digits with the lengths of their cards (ISO/IEC 7812 as the schemes publish it). */
const CARDS: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:6011|64[4-9]|65)/, [16, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 19]],
  [/^(?:30[0-5]|309|36|38|39)/, [14, 16, 19]],
  [/^62/, [16, 17, 18, 19]],
  [/^1/, [15]], // UATP
  [/^(?:5018|5019|5020|5038|5893|6304|6759|676[1-3])/, [13, 14, 15, 16, 17, 18, 19]],
];

/** Length of an account number by country (the IBAN registry of ISO 13616). */
const IBANS = new Map(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 " +
    "FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 " +
    "LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 " +
    "SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
);

/** Whether these digits are a card's: an issuer's, of its length, with Luhn's check digit. */
export function isCard(digits: string): boolean {
  if (!CARDS.some(([first, lengths]) => first.test(digits) && lengths.includes(digits.length))) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    sum += i % 2 ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
  }
  return sum % 10 === 0;
}

/** How long an IBAN that begins with these letters is; undefined for no country that has them. */
export function ibanLength(start: string): number | undefined {
  return IBANS.get(start.slice(0, 2).toUpperCase());
}

/** Whether these letters and digits, without spaces, are an IBAN: its country's length, and 1 modulo 97. */
export function isIban(text: string): boolean {
  if (ibanLength(text) !== text.length) return false;
  let rest = 0;
  for (const sign of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(sign, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

export function isIpv4(text: string): boolean {
  return text.split(".").every((part) => Number(part) <= 255 && (part.length === 1 || !part.startsWith("0")));
}

/** Eight groups, or fewer with one `::`; the last two may be an IPv4 address. `12:30:45` and `std::string` are none. */
export function isIpv6(text: string): boolean {
  const tail = /^(.*:)(\d{1,3}(?:\.\d{1,3}){3})$/.exec(text);
  if (tail) {
    if (!isIpv4(tail[2] ?? "")) return false;
    text = `${tail[1]}0:0`;
  }
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length >= 1 && groups.length <= 7 : groups.length === 8;
}
