/** Names under which people keep secrets: `userPassword`, `X-Api-Key`, `client_ip`, in any case style. */

/** One word of a name that is enough. Exact words: `author` is not `auth`, `max_tokens` is not `token`. */
const WORDS = new Set(
  (
    "password passwd passphrase pwd secret secrets apikey auth authorization credential credentials token jwt bearer " +
    "cookie cookies csrf xsrf csrftoken sessionid sid otp totp pin ssn cvv cvc iban bic email mail phone telephone msisdn " +
    "dob birthday birthdate firstname lastname fullname surname username passport privatekey"
  ).split(" "),
);

/** Two words beside each other that are. */
const PAIRS = new Set(
  (
    "apikey accesskey privatekey secretkey signingkey sessionid sessionkey accesstoken refreshtoken idtoken twofactor " +
    "cardnumber creditcard debitcard cardno accountnumber bankaccount ipaddress clientip remoteip userip peerip remoteaddr remoteaddress " +
    "forwardedfor realip connectingip firstname lastname fullname realname birthdate dateofbirth postaladdress streetaddress mysqlpwd " +
    "emailaddress phonenumber mobilenumber socialsecurity"
  ).split(" "),
);

/** Parts of a name written in one word, `userpassword`, that hardly mean anything else. */
const STEMS = /password|passwd|apikey|privatekey|secretkey|accesstoken|refreshtoken|authtoken|sessionid|credential|creditcard|cardnumber/;

/** `token_count`, `passwordLength`: a measure of a secret is none. */
const MEASURES = new Set("count counts length size total used limit ms seconds type expires expiry expired valid age status".split(" "));

/** What stands for the value of such a name. */
export function masked(name: string): string {
  return /cookie/i.test(name) ? "[cookie]" : /authorization/i.test(name) ? "[authorization]" : "[secret]";
}

const known = new Map<string, boolean>();

/** The words of a name: `userApiKey` and `USER-API_KEY` have the same. */
export function wordsOf(name: string): string[] {
  return name
    .normalize("NFKC")
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, "$1 $2")
    .replace(/(\p{Lu}+)(\p{Lu}\p{Ll})/gu, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}\d]+/u)
    .filter((word) => word !== "");
}

/** Whether what stands under this name is masked whatever it is. */
export function sensitive(name: string): boolean {
  let answer = known.get(name);
  if (answer === undefined) {
    answer = judged(wordsOf(name.slice(0, 128)));
    if (known.size >= 2_000) known.clear();
    known.set(name, answer);
  }
  return answer;
}

function judged(words: readonly string[]): boolean {
  if (MEASURES.has(words.at(-1) ?? "")) return false;
  return words.some(
    (word, i) =>
      WORDS.has(word) ||
      STEMS.test(word) ||
      PAIRS.has(word + (words[i + 1] ?? "")) ||
      PAIRS.has(word + (words[i + 1] ?? "") + (words[i + 2] ?? "")),
  );
}
