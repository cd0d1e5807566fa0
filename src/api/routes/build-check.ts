import type { Builder } from '../../engine/builder/builder.ts';
import type { DockerfileChecks } from '../../engine/builder/checks.ts';
import type { BuildCheckResult } from '../../wire/build-check.ts';
import { bodyStream } from '../body.ts';
import { HttpError } from '../errors.ts';
import { text } from '../query.ts';
import type { Route } from '../router.ts';

interface Dependencies {
  readonly dockerfileChecks: DockerfileChecks;
  readonly builder: Pick<Builder, 'remoteContext'>;
}

/** Looks a Dockerfile over without building it, as `tare build --check` asks. */
export function buildCheckRoutes({ dockerfileChecks, builder }: Dependencies): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/build/check',
      async handle(x) {
        const remote = text(x, 'remote');
        const { context, dockerfile } =
          remote === ''
            ? { context: bodyStream(x), dockerfile: '' }
            : await builder.remoteContext(remote, x.signal, text(x, 'dockerfile'));
        const result = await dockerfileChecks.checkContext(
          context,
          dockerfile || text(x, 'dockerfile') || 'Dockerfile',
          {
            args: argumentsOf(text(x, 'buildargs')),
            target: text(x, 'target'),
            platform: text(x, 'platform'),
          },
        );
        x.json(200, resultOf(result));
      },
    },
  ];
}

function argumentsOf(json: string): Record<string, string | null> {
  if (json === '') return {};
  try {
    return (JSON.parse(json) as Record<string, string | null> | null) ?? {};
  } catch {
    throw new HttpError(400, 'buildargs is not JSON: give an object of names and values');
  }
}

function resultOf({
  warnings,
  error,
  text: dockerfile,
}: Awaited<ReturnType<DockerfileChecks['checkContext']>>): BuildCheckResult {
  return {
    dockerfile,
    warnings: warnings.map(({ rule, description, url, text: detail, span }) => ({
      ruleName: rule,
      description,
      url,
      detail,
      startLine: span.first,
      endLine: span.last,
    })),
    ...(error && {
      error: {
        message: error.message,
        startLine: error.span?.first ?? 0,
        endLine: error.span?.last ?? 0,
      },
    }),
  };
}
