import { cleanPath, joinPaths } from '../../../base/go-paths.ts';
import type { ImageRunConfig } from '../../../oci/image-config.ts';
import { DEFAULT_PATH } from '../../../runtime/spec/environment.ts';
import { DockerfileError } from './dockerfile-error.ts';
import type {
  CommandLine,
  ExposeInstruction,
  HealthcheckInstruction,
  Instruction,
  Pair,
} from './instructions.ts';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/**
 * The image's configuration after an instruction whose variables are replaced; the same object when the instruction
 * leaves it alone (ADD, ARG, COPY, MAINTAINER, RUN). `ownCommand`: the stage has had a CMD, which an ENTRYPOINT then does
 * not drop. Throws `DockerfileError`.
 */
export function configAfter(config: ImageRunConfig, step: Instruction, ownCommand: boolean): ImageRunConfig {
  switch (step.kind) {
    case 'cmd':
      return { ...config, Cmd: commandWords(step.command, config) };
    case 'entrypoint': {
      const words = commandWords(step.command, config);
      // A command that was meant for another entrypoint means nothing to the new one.
      const rest = ownCommand ? {} : { Cmd: null };
      return { ...config, ...rest, Entrypoint: words.length === 0 ? null : words };
    }
    case 'env':
      return { ...config, Env: environment(config.Env ?? [], step.pairs) };
    case 'expose':
      return { ...config, ExposedPorts: { ...config.ExposedPorts, ...exposed(step) } };
    case 'healthcheck':
      return { ...config, Healthcheck: healthcheck(step) };
    case 'label':
      return {
        ...config,
        Labels: { ...config.Labels, ...Object.fromEntries(step.pairs.map(({ key, value }) => [key, value])) },
      };
    case 'onbuild':
      return { ...config, OnBuild: [...(config.OnBuild ?? []), step.trigger] };
    case 'shell':
      return { ...config, Shell: [...step.words] };
    case 'stopsignal':
      return { ...config, StopSignal: step.signal };
    case 'user':
      return { ...config, User: step.user };
    case 'volume':
      return {
        ...config,
        Volumes: { ...config.Volumes, ...Object.fromEntries(step.paths.map((path) => [path, {}])) },
      };
    case 'workdir':
      return { ...config, WorkingDir: directory(step.path, config.WorkingDir ?? '') };
    default:
      return config;
  }
}

/** A stage's configuration has a PATH from its beginning, also from scratch: `ENV PATH $PATH:/more` adds to something. */
export function withPath(config: ImageRunConfig): ImageRunConfig {
  const env = config.Env ?? [];
  return env.some((entry) => entry.startsWith('PATH=')) ? config : { ...config, Env: [...env, DEFAULT_PATH] };
}

/** What is run for a command: a line is given to the shell. */
export function commandWords(command: CommandLine, config: Pick<ImageRunConfig, 'Shell'>): string[] {
  if (command.form === 'exec') return [...command.words];
  const line = command.form === 'shell' ? command.line : command.content;
  return [...(config.Shell ?? DEFAULT_SHELL), line];
}

/** An image's history has a RUN with the shell it ran in, as Docker's. */
export function historyText(step: Instruction, config: Pick<ImageRunConfig, 'Shell'>): string {
  if (step.kind !== 'run' || step.command.form !== 'shell') return step.text;
  const shell = (config.Shell ?? DEFAULT_SHELL).join(' ');
  const [, flags = ''] = /^run\s+((?:--\S+\s+)*)/i.exec(step.text) ?? [];
  return `RUN ${flags}${shell} ${step.command.line.trimEnd()}`;
}

function environment(before: readonly string[], pairs: readonly Pair[]): string[] {
  const env = new Map(before.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const { key, value } of pairs) env.set(key, `${key}=${value}`);
  return [...env.values()];
}

function directory(path: string, before: string): string {
  return path.startsWith('/') ? cleanPath(path) : joinPaths('/', before, path);
}

/** One port or a range of them, with or without a protocol. */
const PORT = /^(\d+)(?:-(\d+))?(?:\/([a-z]+))?$/i;

function exposed({ ports, span }: ExposeInstruction): Record<string, Record<string, never>> {
  const found: Record<string, Record<string, never>> = {};
  for (const text of ports) {
    // `host:container` is a publication, of which an image keeps the container's side.
    const port = text.slice(text.lastIndexOf(':') + 1);
    const [, low, high = low, protocol = 'tcp'] = PORT.exec(port) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === undefined || last > 65_535 || last < first) {
      throw new DockerfileError(`invalid containerPort: ${text}: write EXPOSE 80, 80/udp or 8000-8010`, span);
    }
    if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) {
      throw new DockerfileError(`invalid proto: ${protocol}: tcp, udp or sctp`, span);
    }
    for (let number = first; number <= last; number++) found[`${number}/${protocol.toLowerCase()}`] = {};
  }
  return found;
}

function healthcheck({ check }: HealthcheckInstruction): NonNullable<ImageRunConfig['Healthcheck']> {
  if (!check) return { Test: ['NONE'] };
  const { command, interval, timeout, startPeriod, startInterval, retries } = check;
  const Test =
    command.form === 'exec'
      ? ['CMD', ...command.words]
      : ['CMD-SHELL', command.form === 'shell' ? command.line : command.content];
  return {
    Test,
    ...(interval > 0 && { Interval: interval }),
    ...(timeout > 0 && { Timeout: timeout }),
    ...(startPeriod > 0 && { StartPeriod: startPeriod }),
    ...(startInterval > 0 && { StartInterval: startInterval }),
    ...(retries > 0 && { Retries: retries }),
  };
}
