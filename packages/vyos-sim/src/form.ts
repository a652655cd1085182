/**
 * Takes a form out of a request body, as starlette's parsers do.
 *
 * In: content type and bytes. Out: the fields, or nothing when the body is no form (then it is JSON). The bytes are
 * already bounded by nginx's limit.
 */

export type Form = Map<string, string>;

/** A multipart body that cannot be read; the framework answers for it. */
export class FormUnreadable extends Error {}

export async function readForm(contentType: string | undefined, body: Buffer): Promise<Form | undefined> {
  const kind = (contentType ?? "").split(";")[0]?.trim().toLowerCase();
  const form = kind === "multipart/form-data" ? await readMultipart(contentType ?? "", body) : undefined;
  if (form !== undefined) return form.size > 0 ? form : undefined;
  if (kind !== "application/x-www-form-urlencoded") return undefined;
  const fields = readUrlEncoded(body.toString("latin1"));
  return fields.size > 0 ? fields : undefined;
}

async function readMultipart(contentType: string, body: Buffer): Promise<Form> {
  const form: Form = new Map();
  try {
    const response = new Response(new Uint8Array(body), { headers: { "content-type": contentType } });
    for (const [name, value] of await response.formData()) {
      form.set(name, typeof value === "string" ? value : await value.text());
    }
  } catch (cause) {
    throw new FormUnreadable("the multipart body could not be read", { cause });
  }
  return form;
}

/**
 * python-multipart ends a field at `&` or `;`, and forgets a last field that has no `=`. So a JSON body sent with curl's
 * default content type yields an empty form, and the server then reads it as JSON.
 */
function readUrlEncoded(text: string): Form {
  const form: Form = new Map();
  const segments = text.split(/[&;]/);
  for (const [index, segment] of segments.entries()) {
    if (segment === "") continue;
    const equals = segment.indexOf("=");
    if (equals < 0 && index === segments.length - 1) continue;
    const name = equals < 0 ? segment : segment.slice(0, equals);
    form.set(unquotePlus(name), equals < 0 ? "" : unquotePlus(segment.slice(equals + 1)));
  }
  return form;
}

/** Python's unquote_plus: a stray percent sign stands for itself. */
function unquotePlus(text: string): string {
  const bytes = text
    .replaceAll("+", " ")
    .replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
