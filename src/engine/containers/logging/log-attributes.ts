import { messageOf, TareError } from '../../../base/errors.ts';
import { shortId } from '../../../base/ids.ts';
import { evaluate } from '../../../base/template/evaluate.ts';
import { FUNCTIONS } from '../../../base/template/functions.ts';
import { parseTemplate } from '../../../base/template/parser.ts';
import type { Container } from '../model.ts';

/** What a log's records carry besides their text. */
export interface LogAttributes {
  /** The rendered `tag`, or the driver's default. */
  readonly tag: string;
  /** Labels and variables that the options name, by name. */
  readonly extra: Readonly<Record<string, string>>;
}

type Subject = Pick<Container, 'id' | 'name' | 'imageId' | 'createdAt' | 'config' | 'hostConfig'>;

/** Docker's name of itself in tags; rules of log servers know it. */
const DAEMON_NAME = 'docker';
const FUNCTION_NAMES: ReadonlySet<string> = new Set([...Object.keys(FUNCTIONS), 'and', 'or']);

/**
 * Renders the tag and picks labels and variables. Throws `invalid` in Docker's words for a template or pattern that
 * is none.
 */
export function logAttributes(container: Subject): LogAttributes {
  const { type, config } = container.hostConfig.logConfig;
  const files = ['json-file', 'local', 'none'].includes(type);
  const template = config.tag || (files ? '' : '{{.ID}}');
  return {
    tag: type === 'none' ? '' : renderTag(template, container),
    extra: type === 'none' ? {} : pick(config, container),
  };
}

/** What `logs --details` shows of them: with the files' drivers, a tag that was asked for too. */
export function detailsOf(container: Subject): Readonly<Record<string, string>> {
  const { tag, extra } = logAttributes(container);
  return container.hostConfig.logConfig.config.tag ? { ...extra, tag } : extra;
}

function pick(config: Readonly<Record<string, string>>, { config: own }: Subject): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const variable of own.env) {
    const cut = variable.indexOf('=');
    if (cut >= 0) variables[variable.slice(0, cut)] = variable.slice(cut + 1);
  }
  return {
    ...choose(own.labels, config.labels ?? '', config['labels-regex'] ?? ''),
    ...choose(variables, config.env ?? '', config['env-regex'] ?? ''),
  };
}

function choose(
  all: Readonly<Record<string, string>>,
  names: string,
  pattern: string,
): Record<string, string> {
  const chosen: Record<string, string> = {};
  for (const name of names.split(',')) {
    const value = Object.hasOwn(all, name) ? all[name] : undefined;
    if (value !== undefined) chosen[name] = value;
  }
  if (pattern === '') return chosen;
  const expression = compile(pattern);
  for (const [name, value] of Object.entries(all)) if (expression.test(name)) chosen[name] = value;
  return chosen;
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new TareError('invalid', `error parsing regexp: ${messageOf(error)}: \`${pattern}\``);
  }
}

/** Docker's `{{.ID}}`, `{{.Name}}`… over a container. */
function renderTag(source: string, container: Subject): string {
  const { config } = container;
  const command = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
  const data = {
    Config: container.hostConfig.logConfig.config,
    ContainerID: container.id,
    ContainerName: `/${container.name}`,
    ContainerEntrypoint: command[0] ?? '',
    ContainerArgs: command.slice(1),
    ContainerImageID: container.imageId,
    ContainerImageName: config.image,
    ContainerEnv: config.env,
    ContainerLabels: config.labels,
    DaemonName: DAEMON_NAME,
    ID: () => shortId(container.id),
    FullID: () => container.id,
    Name: () => container.name,
    ImageID: () => container.imageId.slice(0, 12),
    ImageFullID: () => container.imageId,
    ImageName: () => config.image,
    Command: () => command.join(' '),
    ExtraAttributes: () => pick(container.hostConfig.logConfig.config, container),
  };
  try {
    return evaluate(parseTemplate(source, FUNCTION_NAMES), data, {
      functions: FUNCTIONS,
      missingField: (_, name) => {
        throw new Error(`can't evaluate field ${name} in type *logger.Info`);
      },
    });
  } catch (error) {
    const words = messageOf(error)
      .replace(/^template: :/, 'template: log-tag:')
      .replace('executing "" at', 'executing "log-tag" at');
    throw new TareError('invalid', words);
  }
}
