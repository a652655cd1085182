/** The router as a program: one JSON line when it is ready, one when a request is here, one when it is answered. */
import { readProgramConfig, usage } from "./config.ts";
import { startControl } from "./control.ts";
import { startRouter } from "./index.ts";

const config = readProgramConfig(process.argv.slice(2), process.env);
if (config.kind === "help") {
  process.stdout.write(usage);
} else if (config.kind === "refused") {
  process.stderr.write(`${config.complaints.join("\n")}\n\n${usage}`);
  process.exitCode = 2;
} else {
  try {
    await run(config);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}

async function run({ router: options, control: controlAt }: Extract<typeof config, { kind: "run" }>): Promise<void> {
  const say = (line: Record<string, unknown>): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const router = await startRouter(options);
  const control =
    controlAt === undefined
      ? undefined
      : await startControl(router, controlAt.host, controlAt.port).catch(async (error: unknown) => {
          await router.close();
          throw error;
        });
  router.onRequest((record) => say({ event: "request.received", ...record }));
  router.onAnswer(({ seq, status }) => say({ event: "request.answered", seq, status }));
  const stop = (): void => {
    void Promise.all([router.close(), control?.close()]).then(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  say({ event: "router.started", url: router.url, fingerprint: router.fingerprint, control: control?.url });
}
