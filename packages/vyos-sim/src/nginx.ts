/**
 * The nginx in front of the API server: which paths it lets through, how large a body may be, and its own error pages
 * (data/templates/https/nginx.default.j2). Its pages are real HTML, so a client must survive them.
 */
import type { Answer, Release } from "./answer.ts";

const reasons: Record<number, string> = {
  403: "Forbidden",
  404: "Not Found",
  413: "Request Entity Too Large",
  502: "Bad Gateway",
  503: "Service Temporarily Unavailable",
  504: "Gateway Time-out",
};

export function nginxPage(release: Release, status: number): Answer {
  const title = `${status} ${reasons[status] ?? "Error"}`;
  /** Debian 10 is below 1.3, Debian 12 below the others. */
  const version = release === "1.3" ? "nginx/1.14.2" : "nginx/1.22.1";
  const body = [
    "<html>",
    `<head><title>${title}</title></head>`,
    "<body>",
    `<center><h1>${title}</h1></center>`,
    `<hr><center>${version}</center>`,
    "</body>",
    "</html>",
    "",
  ].join("\r\n");
  return { status, contentType: "text/html", body, error: title };
}

/** 1.3 turns 501, 502 and 503 into a 200 whose JSON has no `success` key. Later releases answer 503. */
export function apiOff(release: Release): Answer {
  return release === "1.3" ? offIn13 : nginxPage(release, 503);
}

export function badGateway(release: Release): Answer {
  return release === "1.3" ? offIn13 : nginxPage(release, 502);
}

const offIn13: Answer = {
  status: 200,
  contentType: "application/json",
  body: '{"error": "Start service in configuration mode: set service https api"}',
  error: "Start service in configuration mode: set service https api",
};

/** A prefix match: nginx sends /configure-anything to the API server too, which then says 404 in JSON. */
const passed = /^\/(retrieve|configure|config-file|image|container-image|generate|show|reboot|reset|poweroff|docs)/;

export function isPassedToApi(path: string): boolean {
  return passed.test(path);
}

/** nginx's default of client_max_body_size; 1.4+ sets it from `service https request-body-size-limit` (in MB). */
export function bodyBytesMax(release: Release, configuredMegabytes: string | undefined): number {
  const megabytes = release === "1.3" ? 1 : Number(configuredMegabytes ?? 1);
  return Math.max(1, megabytes) * 1024 * 1024;
}
