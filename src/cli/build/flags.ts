import { parseReference } from '../../oci/reference.ts';
import type { FlagTable } from '../command.ts';
import { flag } from '../flags/flag.ts';
import { bytes, list, strings, swapBytes, text, textOr, toggle, toggleOn } from '../flags/kinds.ts';
import { checkEnvironment, checkExtraHost, checkLabel } from '../run/checks.ts';
import { CONTAINER_FLAGS } from '../run/flags.ts';

function checkTag(tag: string): string {
  parseReference(tag);
  return tag;
}

/** Limits of the containers that RUN steps get. */
const LIMIT_FLAGS = {
  'cgroup-parent': flag(text, { help: 'Parent cgroup of the RUN steps' }),
  'cpu-period': CONTAINER_FLAGS['cpu-period'],
  'cpu-quota': CONTAINER_FLAGS['cpu-quota'],
  'cpu-shares': flag(CONTAINER_FLAGS['cpu-shares'].kind, { short: 'c', help: 'CPU weight of the RUN steps' }),
  'cpuset-cpus': CONTAINER_FLAGS['cpuset-cpus'],
  'cpuset-mems': CONTAINER_FLAGS['cpuset-mems'],
  memory: flag(bytes, { short: 'm', help: 'Memory limit of a RUN step, such as 512m' }),
  'memory-swap': flag(swapBytes, { help: "Limit of memory and swap together, '-1' for unlimited swap" }),
  'shm-size': CONTAINER_FLAGS['shm-size'],
  ulimit: flag(CONTAINER_FLAGS.ulimit.kind, { help: 'Resource limit of the RUN steps, as NAME=SOFT[:HARD]' }),
} satisfies FlagTable;

/** Where the result goes besides the daemon's images. */
const RESULT_FLAGS = {
  iidfile: flag(text, { help: "Write the image's ID to a file" }),
  load: flag(toggle, { help: 'Keep the image in the daemon, which is what happens anyway' }),
  'metadata-file': flag(text, { help: 'Write digests and names of the result to a file, as JSON' }),
  output: flag(list(undefined, 'stringArray'), {
    short: 'o',
    help: 'Also write the result to a folder or archive, as type=local|tar|docker|oci,dest=PATH',
  }),
  push: flag(toggle, { help: 'Push the image under all its names after the build' }),
} satisfies FlagTable;

/** What only a BuildKit session could carry, and what Tare does not do; refusals.ts says so. */
const REFUSED_FLAGS = {
  allow: flag(list(undefined, 'stringArray'), { help: 'Allow extra privileged entitlement', hidden: true }),
  attest: flag(list(undefined, 'stringArray'), { help: 'Attestation parameters', hidden: true }),
} satisfies FlagTable;

/** Taken for the sake of scripts; they change nothing here. */
const IDLE_FLAGS = {
  builder: flag(text, { help: 'Builder instance', hidden: true }),
  'disable-content-trust': flag(toggleOn, { help: 'Skip image verification', hidden: true }),
  provenance: flag(text, { help: 'Shorthand for --attest=type=provenance', hidden: true }),
  sbom: flag(text, { help: 'Shorthand for --attest=type=sbom', hidden: true }),
} satisfies FlagTable;

export const BUILD_FLAGS = {
  ...LIMIT_FLAGS,
  ...RESULT_FLAGS,
  ...REFUSED_FLAGS,
  ...IDLE_FLAGS,
  'add-host': flag(list(checkExtraHost), { help: 'Add a line to /etc/hosts of the RUN steps, as NAME:IP' }),
  'build-arg': flag(list(checkEnvironment), {
    help: 'Set a build argument, as NAME=VALUE, or NAME with the value of the environment',
  }),
  'build-context': flag(list(undefined, 'stringArray'), {
    help: 'Further context for FROM and COPY --from, as NAME=FOLDER or NAME=docker-image://IMAGE',
  }),
  'cache-from': flag(list(undefined, 'stringArray'), {
    help: 'Cache from elsewhere: an image, or type=registry,ref=NAME or type=local,src=FOLDER',
  }),
  'cache-to': flag(list(undefined, 'stringArray'), {
    help: 'Export the cache: type=inline, type=registry,ref=NAME or type=local,dest=FOLDER; mode=max for all stages',
  }),
  call: flag(textOr('build'), {
    help: 'What to do: build, or check[,format=json] to look the Dockerfile over only',
  }),
  check: flag(toggle, { help: 'Look the Dockerfile over and build nothing, as --call=check' }),
  compress: flag(toggle, { help: 'Send the context compressed' }),
  file: flag(text, { short: 'f', help: 'The Dockerfile, or - for stdin (default PATH/Dockerfile)' }),
  'force-rm': flag(toggle, { help: 'Remove the containers of the steps also after a failure' }),
  isolation: flag(text, { help: 'Isolation technology (Windows only)', hidden: true }),
  label: flag(list(checkLabel), { help: 'Set a label of the image' }),
  network: flag(textOr('default'), { help: 'Network of the RUN steps: default, host, none or a name' }),
  'no-cache': flag(toggle, { help: 'Do not use the cache' }),
  'no-cache-filter': flag(list(undefined, 'stringArray'), { help: 'Do not use the cache in these stages' }),
  platform: flag(text, { help: 'Platform of the image, such as linux/amd64' }),
  progress: flag(textOr('auto'), {
    help: 'How to show the progress: auto, plain, tty, rawjson or quiet',
    choices: ['auto', 'plain', 'tty', 'rawjson', 'quiet'],
  }),
  pull: flag(toggle, { help: 'Look for newer versions of the images that it begins from' }),
  quiet: flag(toggle, { short: 'q', help: "Print only the image's ID" }),
  rm: flag(toggleOn, { help: 'Remove the containers of the steps after a successful build' }),
  secret: flag(list(undefined, 'stringArray'), {
    help: 'Secret for RUN --mount=type=secret, as id=NAME,src=FILE or id=NAME,env=VARIABLE',
  }),
  'security-opt': flag(strings, { help: 'Security option of the RUN steps' }),
  squash: flag(toggle, { help: 'Make one layer of those that the build adds' }),
  ssh: flag(list(undefined, 'stringArray'), {
    help: 'ssh agent or keys for RUN --mount=type=ssh, as default or NAME=SOCKET|KEY[,KEY]',
  }),
  tag: flag(list(checkTag), {
    short: 't',
    help: 'Name of the image, as NAME[:TAG]; may be given several times',
  }),
  target: flag(text, { help: 'Build this stage' }),
} satisfies FlagTable;
