import { createHash } from 'node:crypto';
import type { ImageConfigFile, ImageRunConfig } from '../../oci/image-config.ts';
import type { ContainerService } from '../containers/containers.ts';
import type { MountRequest } from '../containers/model.ts';
import { applyInstruction } from '../images/changes.ts';
import type { CreateImage, Image, ImageService } from '../images/images.ts';
import type { BuildRequest, VertexEvent } from './builder.ts';
import { ensureDirectory, type SourceTree, type TargetTree } from './copier.ts';
import { copyRequest } from './copy-request.ts';
import { prepareCopy } from './copy-step.ts';
import { DockerfileError } from './dockerfile/dockerfile-error.ts';
import { expandText } from './dockerfile/expand.ts';
import { parseDockerfile, type Span, type Statement } from './dockerfile/parse.ts';
import { type Stage, splitArg } from './dockerfile/stages.ts';
import { unknownWord } from './dockerfile/unknown-word.ts';
import { jsonWords, pairsOf, rawWords } from './dockerfile/words.ts';
import { type MountSources, runMount } from './run-mounts.ts';
import type { Scope } from './scope.ts';
import type { StepCache } from './step-cache.ts';
import { runStep } from './step-run.ts';

/** What building one stage takes. */
export interface StageParts {
  readonly images: Pick<ImageService, 'get' | 'find' | 'createImage'>;
  readonly containers: Pick<ContainerService, 'create' | 'attach' | 'start' | 'wait' | 'remove' | 'kill'>;
  /** Files of a container that does not run. */
  readonly files: (containerId: string) => TargetTree & SourceTree;
  /** What a container has changed, as a layer. */
  readonly layerOf: (containerId: string) => ReadableStream<Uint8Array>;
  /** Numeric owner of `--chown`, by the users of an image's root. */
  readonly owner: (text: string, containerId: string) => Promise<{ uid: number; gid: number }>;
  readonly cache: StepCache;
  readonly request: BuildRequest;
  /** The step's image may be taken from the cache. */
  readonly mayReuse: (imageId: string) => boolean;
  readonly escapeChar: string;
  /** The context, and stages and images by name. */
  readonly source: (from: string) => Promise<{ tree: SourceTree; key: string; close: () => Promise<void> }>;
  readonly mounts: MountSources;
  /** Directory on the host for what ADD fetches. */
  readonly scratch: string;
  /** Tells of the next step. */
  readonly step: (text: string, span: Span | undefined) => void;
  /** Tells of the step in work. */
  readonly tell: (change: Partial<VertexEvent>) => void;
  readonly output: (stream: 'stdout' | 'stderr', data: Uint8Array) => void;
}

const RUN_FLAGS = ['mount', 'network', 'security'];
/** Instructions that only change the image's configuration, and whose text is expanded as a whole. */
const METADATA = new Set(['EXPOSE', 'USER', 'VOLUME', 'WORKDIR', 'STOPSIGNAL']);
/** Those that keep their text. */
const LITERAL = new Set(['CMD', 'ENTRYPOINT', 'HEALTHCHECK', 'ONBUILD']);

/** Builds one stage, step by step, from its base image on. */
export class StageBuilder {
  readonly #parts: StageParts;
  readonly #scope: Scope;
  #image: Image;
  #config: ImageRunConfig;
  #author = '';
  /** The stage has a CMD. */
  #ownCommand = false;

  constructor(parts: StageParts, scope: Scope, base: Image) {
    this.#parts = parts;
    this.#scope = scope;
    this.#image = base;
    this.#config = { ...base.config.config };
    scope.setEnvironment(this.#config.Env ?? []);
  }

  /** Returns the stage's image. */
  async run(stage: Stage): Promise<Image> {
    const triggers = this.#config.OnBuild ?? [];
    this.#config = { ...this.#config, OnBuild: null };
    for (const trigger of triggers) {
      const [statement] = parseDockerfile(trigger).statements;
      if (statement) await this.#step({ ...statement, span: stage.from.span });
    }
    for (const statement of stage.statements) await this.#step(statement);
    return this.#image;
  }

  /** One more image with labels or the like, of no statement. */
  async label(labels: Readonly<Record<string, string>>): Promise<Image> {
    if (Object.keys(labels).length === 0) return this.#image;
    this.#config = { ...this.#config, Labels: { ...this.#config.Labels, ...labels } };
    const text = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    this.#parts.step(`LABEL ${text.join(' ')}`, undefined);
    await this.#settle(`LABEL ${text.join(' ')}`, [], async () => undefined);
    return this.#image;
  }

  async #step(statement: Statement): Promise<void> {
    const { step, request } = this.#parts;
    request.signal.throwIfAborted();
    step(statement.text, statement.span);
    await this.#perform(statement);
    this.#scope.setEnvironment(this.#config.Env ?? []);
  }

  async #perform(statement: Statement): Promise<void> {
    const { name, rest, text, span } = statement;
    const { escapeChar } = this.#parts;
    const { lookup } = this.#scope;
    if (name === 'RUN') return await this.#run(statement);
    if (name === 'COPY' || name === 'ADD') return await this.#copy(statement);
    if (name === 'ARG') {
      for (const word of rawWords(rest, escapeChar)) {
        const [key, value] = splitArg(word);
        const fallback =
          value === undefined
            ? undefined
            : expandText(value.replace(/^(["'])(.*)\1$/, '$2'), lookup, escapeChar);
        this.#scope.declare(key, fallback);
      }
      return await this.#settle(text, [], async () => undefined);
    }
    if (name === 'ENV' || name === 'LABEL') {
      for (const [key, value] of pairsOf(name, rest, lookup, escapeChar)) this.#set(name, key, value);
    } else if (name === 'MAINTAINER') this.#author = rest;
    else if (name === 'SHELL') {
      const shell = jsonWords(rest);
      if (!shell?.length) throw new DockerfileError('SHELL requires the arguments to be in JSON form', span);
      this.#config = { ...this.#config, Shell: shell };
    } else if (name === 'WORKDIR')
      return await this.#workingDirectory(expandText(rest, lookup, escapeChar), text);
    else if (METADATA.has(name)) {
      this.#config = applyInstruction(this.#config, name, expandText(rest, lookup, escapeChar));
    } else if (LITERAL.has(name)) {
      const flags = statement.flags.map(({ name: key, value }) => `--${key}=${value} `).join('');
      this.#config = applyInstruction(this.#config, name, flags + rest);
      if (name === 'CMD') this.#ownCommand = true;
      // An entrypoint drops the command that the base image has for its own.
      if (name === 'ENTRYPOINT' && !this.#ownCommand) this.#config = { ...this.#config, Cmd: null };
    } else throw new DockerfileError(`unknown instruction: ${name}`, span);
    await this.#settle(text, [], async () => undefined);
  }

  #set(name: string, key: string, value: string): void {
    if (name === 'LABEL') {
      this.#config = { ...this.#config, Labels: { ...this.#config.Labels, [key]: value } };
      return;
    }
    const others = new Map((this.#config.Env ?? []).map((entry) => [entry.split('=', 1)[0], entry]));
    others.set(key, `${key}=${value}`);
    this.#config = { ...this.#config, Env: [...others.values()] };
    this.#scope.setEnvironment(this.#config.Env ?? []);
  }

  /** As BuildKit: the directory is made when it is missing. */
  async #workingDirectory(path: string, text: string): Promise<void> {
    this.#config = applyInstruction(this.#config, 'WORKDIR', path);
    const directory = this.#config.WorkingDir ?? '/';
    if (directory === '/') return await this.#settle(text, [], async () => undefined);
    await this.#settle(text, [], (parent) =>
      this.#inContainer(parent, async (id) => {
        const target = this.#parts.files(id);
        const found = await target.stat(`${directory}/`).catch(() => undefined);
        if (found) return undefined;
        await ensureDirectory(target, directory);
        return this.#parts.layerOf(id);
      }),
    );
  }

  async #run(statement: Statement): Promise<void> {
    const { escapeChar, request, mounts } = this.#parts;
    const { text, span } = statement;
    const wanted: MountRequest[] = [];
    let network = request.hostConfig.networkMode;
    for (const flag of statement.flags) {
      if (flag.name === 'mount') {
        const value = expandText(flag.value, this.#scope.lookup, escapeChar);
        wanted.push(await runMount(value, span, this.#config.WorkingDir ?? '', mounts));
      } else if (flag.name === 'network') network = flag.value === 'default' ? network : flag.value;
      else if (flag.name !== 'security') {
        throw new DockerfileError(unknownWord('flag', flag.name, RUN_FLAGS), span);
      }
    }
    const command = this.#command(statement);
    const env = this.#scope.runEnvironment();
    const key = [
      'run',
      JSON.stringify(command),
      ...this.#scope.keyEnvironment(),
      JSON.stringify(wanted),
      network,
    ];
    await this.#settle(text, key, (parent) =>
      runStep(this.#parts, { image: parent, command, env, mounts: wanted, network, text }),
    );
  }

  #command({ rest, heredocs, span }: Statement): string[] {
    const list = jsonWords(rest);
    if (list) return list;
    const shell = [...(this.#config.Shell ?? ['/bin/sh', '-c'])];
    const [only] = heredocs;
    // `RUN <<EOF` alone: the document is the script. Else the shell reads its documents itself.
    if (only && heredocs.length === 1 && /^<<-?\S+$/.test(rest.trim())) {
      return [...shell, only.content];
    }
    if (rest.trim() === '') throw new DockerfileError('RUN requires a command', span);
    const documents = heredocs.map(({ name, content }) => `\n${content}${name}`).join('');
    return [...shell, rest + documents];
  }

  async #copy(statement: Statement): Promise<void> {
    const { source, escapeChar } = this.#parts;
    const request = copyRequest(statement, this.#scope.lookup, escapeChar, this.#config.WorkingDir ?? '');
    const from = await source(request.from);
    try {
      const { scratch, request: build } = this.#parts;
      const copy = await prepareCopy(statement.name, request, from, scratch, build.signal);
      try {
        await this.#settle(statement.text, copy.key, (parent) =>
          this.#inContainer(parent, async (id) => {
            const owner = request.chown === '' ? undefined : await this.#parts.owner(request.chown, id);
            await copy.fill(this.#parts.files(id), owner);
            return this.#parts.layerOf(id);
          }),
        );
      } finally {
        await copy.close();
      }
    } finally {
      await from.close();
    }
  }

  /** A container of the image that never starts, for as long as `body` uses it and what it returned is read. */
  async #inContainer(
    parent: Image,
    body: (id: string) => Promise<ReadableStream<Uint8Array> | undefined>,
  ): Promise<StepLayer> {
    const { containers, request } = this.#parts;
    const { id } = await containers.create({
      name: undefined,
      platform: undefined,
      config: { ...request.config, image: parent.id, cmd: ['/bin/true'], entrypoint: [] },
      hostConfig: { ...request.hostConfig, networkMode: 'none' },
      endpoints: {},
    });
    const remove = (): Promise<void> => containers.remove(id, { force: true, volumes: true, link: false });
    try {
      return { layer: await body(id), done: remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** Finds the step's image in the cache, or makes it. */
  async #settle(
    text: string,
    key: readonly string[],
    make: (parent: Image) => Promise<StepLayer | undefined>,
  ): Promise<void> {
    const { cache, images, tell, request, mayReuse } = this.#parts;
    const parent = this.#image;
    const whole = createHash('sha256')
      .update(JSON.stringify([parent.id, this.#config, this.#author, text.split(/\s/, 1)[0], key]))
      .digest('hex');
    const known = request.noCache !== false ? undefined : cache.find(whole);
    const found = known !== undefined && mayReuse(known) ? images.find(known) : undefined;
    if (found) {
      tell({ cached: true });
      this.#image = found;
    } else {
      const made = await make(parent);
      try {
        this.#image = await images.createImage(this.#imageOf(parent, text, made?.layer));
      } finally {
        await made?.done();
      }
      cache.put(whole, this.#image.id);
    }
    tell({ completed: Date.now(), result: this.#image.id });
  }

  #imageOf(parent: Image, text: string, layer: ReadableStream<Uint8Array> | undefined): CreateImage {
    const { architecture, os, variant } = parent.config;
    const config: Omit<ImageConfigFile, 'rootfs' | 'history'> = {
      architecture,
      os,
      ...(variant !== undefined && { variant }),
      created: new Date().toISOString(),
      ...(this.#author !== '' && { author: this.#author }),
      config: this.#config,
    };
    const createdBy = text.replace(/^RUN\s+/i, `RUN ${(this.#config.Shell ?? ['/bin/sh', '-c']).join(' ')} `);
    return {
      base: parent.id,
      layer,
      config,
      history: { createdBy, author: this.#author, comment: '' },
      reference: undefined,
    };
  }
}

/** A step's layer, and what is to be done when it has been read. */
export interface StepLayer {
  readonly layer: ReadableStream<Uint8Array> | undefined;
  readonly done: () => Promise<void>;
}
