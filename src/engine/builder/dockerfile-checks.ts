import { decompressed } from '../../archive/compression.ts';
import { readTarMembers } from '../../archive/tar-members.ts';
import { TareError } from '../../base/errors.ts';
import { cleanPath } from '../../base/go-paths.ts';
import { readIgnoreFile } from '../../base/ignore-file.ts';
import { PathPatterns, PatternError } from '../../base/path-patterns.ts';
import { hostPlatform, parsePlatform } from '../../oci/platform.ts';
import type { ImageService } from '../images/images.ts';
import type { CheckRequest, CheckResult, DockerfileChecks } from './checks.ts';
import { compile } from './dockerfile/compile.ts';
import { DockerfileError } from './dockerfile/dockerfile-error.ts';
import type { CompiledDockerfile } from './dockerfile/instructions.ts';
import { checkOptionsOf, lint, lintFailure } from './dockerfile/lint/lint.ts';
import { type ParsedDockerfile, parseDockerfile } from './dockerfile/parse.ts';
import { resolveStages, stagesFor } from './dockerfile/stage-graph.ts';
import { platformArguments } from './scope.ts';

/** Checks Dockerfiles; what the images of this engine set is known to it, others are not fetched. */
export class LocalChecks implements DockerfileChecks {
  readonly #images: Pick<ImageService, 'find'>;

  constructor(images: Pick<ImageService, 'find'>) {
    this.#images = images;
  }

  check(request: CheckRequest): CheckResult {
    try {
      const file = parseDockerfile(request.text);
      return this.#checked(file, compile(file), request);
    } catch (error) {
      return { warnings: [], error: problemOf(error) };
    }
  }

  async checkContext(
    context: ReadableStream<Uint8Array>,
    dockerfile: string,
    request: Omit<CheckRequest, 'text' | 'ignore'>,
  ): Promise<CheckResult & { text: string }> {
    const path = nameOf(dockerfile);
    const own = `${path}.dockerignore`;
    const texts = new Map<string, string>();
    for await (const { entry, body } of readTarMembers(decompressed(context))) {
      const name = nameOf(entry.name);
      if (entry.type !== 'file' || ![path, own, '.dockerignore'].includes(name)) continue;
      if (entry.size > MAX_SIZE) throw new TareError('invalid', `${name} is larger than 16 MB`);
      texts.set(name, await textOf(body));
    }
    const text = texts.get(path);
    if (text === undefined) {
      throw new TareError('invalid', `Cannot locate specified Dockerfile: ${dockerfile}`);
    }
    const ignore = texts.get(own) ?? texts.get('.dockerignore');
    return { ...this.check({ ...request, text, ignore }), text };
  }

  #checked(file: ParsedDockerfile, compiled: CompiledDockerfile, request: CheckRequest): CheckResult {
    const { args, target, ignore } = request;
    const options = checkOptionsOf(file, args.BUILDKIT_DOCKERFILE_CHECK);
    const builtin = platformArguments(
      request.platform === '' ? hostPlatform() : parsePlatform(request.platform),
    );
    const given = (name: string): string | undefined => args[name] ?? undefined;
    const platform = (name: string): string | undefined => builtin[name];
    const warnings = lint(
      {
        file,
        compiled,
        given,
        platform,
        ignored: ignore === undefined ? undefined : patternsOf(ignore),
        environmentOf: (reference) => this.#environmentOf(reference),
      },
      options,
    );
    let error = problemOf(lintFailure(warnings, options));
    try {
      stagesFor(resolveStages(compiled, given, platform).stages, target);
    } catch (thrown) {
      error = problemOf(thrown);
    }
    return { warnings, error };
  }

  #environmentOf(reference: string): readonly string[] | undefined {
    try {
      const image = this.#images.find(reference);
      return image && (image.config.config?.Env ?? []);
    } catch (error) {
      // A name that is none is another check's, and the build's.
      if (error instanceof TareError) return undefined;
      throw error;
    }
  }
}

const MAX_SIZE = 16 * 1024 * 1024;

const nameOf = (path: string): string => cleanPath(`/${path}`).slice(1);

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** A file that cannot be read leaves nothing out; the client says so when it makes the context. */
function patternsOf(ignore: string): PathPatterns | undefined {
  try {
    return PathPatterns.parse(readIgnoreFile(ignore));
  } catch (error) {
    if (error instanceof PatternError) return undefined;
    throw error;
  }
}

function problemOf(error: unknown): CheckResult['error'] {
  if (error === undefined) return undefined;
  if (!(error instanceof TareError)) throw error;
  return { message: error.message, span: error instanceof DockerfileError ? error.span : undefined };
}
