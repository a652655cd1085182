/**
 * What the router says: status, content type and text. Everything the API server itself says is HTML by its content type
 * and JSON by its text (`error()` and `success()` in src/services/vyos-http-api-server).
 */
import { jsonDumps } from "./python-text.ts";

/** 1.5 (circinus) of October 2024 answers as 1.4 does, so it has no name of its own here. */
export type Release = "1.3" | "1.4" | "current";

export interface Answer {
  status: number;
  contentType: string;
  body: string;
  /** The error text before it was wrapped; only for the request log. */
  error?: string;
}

const htmlUtf8 = "text/html; charset=utf-8";

export function success(data: unknown): Answer {
  const body = `{"success": true, "data": ${jsonDumps(data)}, "error": null}`;
  return { status: 200, contentType: htmlUtf8, body };
}

/** `current` runs the text through html.escape(quote=False); the older releases do not. */
export function failure(release: Release, status: number, text: string): Answer {
  const shown =
    release === "current" ? text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;") : text;
  const body = `{"success": false, "error": ${jsonDumps(shown)}, "data": null}`;
  return { status, contentType: htmlUtf8, body, error: text };
}

/** What FastAPI says by itself, before any code of VyOS runs. It dumps without spaces. */
export function frameworkDetail(status: number, detail: string): Answer {
  return { status, contentType: "application/json", body: JSON.stringify({ detail }), error: detail };
}

/** The text for a crash inside the server; the spelling is VyOS's. */
export const internalErrorText = "An internal error occured. Check the logs for details.";

export const backgroundCommitText =
  "Requested HTTP API server configuration change; commit will be called in the background";

/** VyOS 1.3 quotes words with double quotes where later releases use single ones. */
export function quoted(release: Release, word: string): string {
  return release === "1.3" ? `"${word}"` : `'${word}'`;
}
