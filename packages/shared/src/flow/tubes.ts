/**
 * Where tasks wait: one tube for each device, and the doors for programs that know no device tubes.
 *
 * One tube per device is what isolates a dead router, lets a responder drain a whole flood into one commit, and makes
 * the backlog of each router visible (stats-tube).
 */

/** Tasks of the original form, from any beanstalkd client: our own name, and the tube every client uses unless told. */
export const intakeTubes = ["logwarden.intake", "default"] as const;

/**
 * How long a responder may hold a task without a sign of life: it touches three times in this span while a commit
 * runs, so the span only has to exceed a pause of the process. Not a watchdog: beanstalkd 1.12 does not reliably take a job
 * from a connection that has fallen silent; what surely frees it is the end of that connection.
 */
export const taskTtrSeconds = 120;

/** The tube of one device. @param key the device's name in the inventory */
export function deviceTube(key: string): string {
  return `logwarden.device.${key}`;
}

/** What a person asks for comes before every event that waits (services/parser/src/submit/submit.ts puts at 1000). */
export const personPriority = 100;
