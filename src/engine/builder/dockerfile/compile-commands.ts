import { parseDuration } from '../../../base/go-duration.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { Flags, refuseFlags } from './flags.ts';
import type {
  CommandLine,
  HealthcheckInstruction,
  RunInstruction,
  ShellInstruction,
} from './instructions.ts';
import type { Span, Statement } from './parse.ts';
import { mountSourceOf, parseRunMount } from './run-mount.ts';
import { jsonList } from './words.ts';

/** CMD and ENTRYPOINT: nothing after the name is an empty command. */
export function compileCommand(statement: Statement): CommandLine {
  refuseFlags(statement);
  return commandLine(statement.rest);
}

function commandLine(text: string): CommandLine {
  const words = jsonList(text);
  if (words) return { form: 'exec', words };
  return text === '' ? { form: 'exec', words: [] } : { form: 'shell', line: text };
}

export function compileRun(statement: Statement): RunInstruction {
  const { span, text } = statement;
  const flags = new Flags(statement, {
    mount: 'texts',
    network: 'text',
    security: 'text',
    device: 'texts',
  });
  const mounts = flags.texts('mount');
  const mountSources = mounts.map((mount) => mountSourceOf(mount, span)).filter((from) => from !== '');
  // What has no variables can be wrong now as well as later.
  for (const mount of mounts) if (!mount.includes('$')) parseRunMount(mount, span);
  return {
    kind: 'run',
    span,
    text,
    command: runCommand(statement),
    mounts,
    mountSources,
    network: oneOf('network', flags.text('network'), ['default', 'none', 'host'] as const, span),
    security: oneOf('security', flags.text('security'), ['sandbox', 'insecure'] as const, span),
    devices: flags.texts('device').map((device) => deviceOf(device, span)),
  };
}

/** The first of `choices` is what nothing means. */
function oneOf<T extends string>(flag: string, value: string, choices: readonly [T, ...T[]], span: Span): T {
  if (value === '') return choices[0];
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new DockerfileError(
    `unsupported ${flag} mode ${JSON.stringify(value)}: one of ${choices.join(', ')}`,
    span,
  );
}

/** `NAME[,required]` or `name=NAME[,required=true]`. */
function deviceOf(text: string, span: Span): { name: string; required: boolean } {
  let name = '';
  let required = false;
  for (const part of text.split(',')) {
    const [key = '', value] = part.split('=', 2);
    if (key === 'required') required = value === undefined || value === 'true' || value === '1';
    else if (key === 'name' && value !== undefined && name === '') name = value;
    else if (part.includes('/') && name === '') name = part;
    else throw new DockerfileError(`unexpected key '${key}' in --device=${text}`, span);
  }
  if (name !== '') return { name, required };
  throw new DockerfileError(
    `--device=${text} names no device: write a CDI name, as vendor.com/class=name`,
    span,
  );
}

function runCommand({ rest, heredocs, span }: Statement): CommandLine {
  const [first] = heredocs;
  // `RUN <<EOF` alone: the document is the script. Else the shell reads its documents itself.
  if (first && heredocs.length === 1 && /^<<-?\S+$/.test(rest)) {
    return first.content.startsWith('#!')
      ? { form: 'script', name: first.name, content: first.content }
      : { form: 'shell', line: first.content };
  }
  if (rest === '') throw new DockerfileError('RUN requires a command', span);
  const words = jsonList(rest);
  if (words?.length === 0) throw new DockerfileError('RUN requires a command', span);
  if (words) return { form: 'exec', words };
  const documents = heredocs.map(({ name, content }) => `\n${content}${name}`).join('');
  return { form: 'shell', line: rest + documents };
}

export function compileShell(statement: Statement): ShellInstruction {
  refuseFlags(statement);
  const { span, text, rest } = statement;
  const words = jsonList(rest);
  if (words?.length === 0 || rest === '') {
    throw new DockerfileError('SHELL requires at least one argument', span);
  }
  if (words) return { kind: 'shell', span, text, words };
  const hint = rest.split(/\s+/).map((word) => JSON.stringify(word));
  throw new DockerfileError(
    `SHELL requires the arguments to be in JSON form: write SHELL [${hint.join(', ')}]`,
    span,
  );
}

const DURATIONS = ['interval', 'timeout', 'start-period', 'start-interval'] as const;
const MILLISECOND = 1e6;

export function compileHealthcheck(statement: Statement): HealthcheckInstruction {
  const { span, text, rest } = statement;
  const [, type = '', tail = ''] = /^(\S*)\s*([\s\S]*)$/.exec(rest) ?? [];
  const flags = new Flags(statement, {
    ...Object.fromEntries(DURATIONS.map((name) => [name, 'text' as const])),
    retries: 'text',
  });
  if (type === '') throw new DockerfileError('HEALTHCHECK requires at least one argument', span);
  if (type.toUpperCase() === 'NONE') {
    if (tail !== '') throw new DockerfileError('HEALTHCHECK NONE takes no arguments', span);
    return { kind: 'healthcheck', span, text, check: undefined };
  }
  if (type.toUpperCase() !== 'CMD') {
    throw new DockerfileError(
      `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`,
      span,
    );
  }
  const command = commandLine(tail);
  if (command.form === 'exec' && command.words.length === 0) {
    throw new DockerfileError('Missing command after HEALTHCHECK CMD', span);
  }
  const [interval = 0, timeout = 0, startPeriod = 0, startInterval = 0] = DURATIONS.map((name) =>
    duration(name, flags.text(name)),
  );
  const check = {
    command,
    interval,
    timeout,
    startPeriod,
    startInterval,
    retries: retries(flags.text('retries')),
  };
  return { kind: 'healthcheck', span, text, check };
}

/** Nanoseconds. Throws in Docker's words. */
function duration(flag: string, text: string): number {
  if (text === '') return 0;
  const value = parseDuration(text);
  if (value === 0 || value >= MILLISECOND) return value;
  throw new Error(`Interval "${flag}" cannot be less than 1ms`);
}

function retries(text: string): number {
  if (text === '') return 0;
  if (!/^[-+]?\d+$/.test(text))
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) >= 0) return Number(text);
  throw new Error(`--retries cannot be negative (${Number(text)})`);
}
