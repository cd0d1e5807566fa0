import type { FoundRepository, RegistryAccess } from '../../engine/images/registries.ts';
import { parseReference } from '../../oci/reference.ts';
import type { Filters } from '../../wire/filters.ts';
import type { AuthConfig } from '../../wire/images.ts';
import type { AuthResponse, DistributionInspect, SearchResult } from '../../wire/registries.ts';
import { readJson } from '../body.ts';
import { string } from '../codec/codec.ts';
import { field, object } from '../codec/object.ts';
import { HttpError } from '../errors.ts';
import { filters, integer, text } from '../query.ts';
import { authOf, registryAuth } from '../registry-auth.ts';
import type { Route } from '../router.ts';

const authBody = object<Required<AuthConfig>>('AuthConfig', {
  username: field('username', string),
  password: field('password', string),
  auth: field('auth', string),
  email: field('email', string),
  serveraddress: field('serveraddress', string),
  identitytoken: field('identitytoken', string),
  registrytoken: field('registrytoken', string),
});

const SEARCH_FILTERS: ReadonlySet<string> = new Set(['is-automated', 'is-official', 'stars']);

/** What is asked of registries themselves: logins and searches. */
export function registryRoutes({ registries }: { readonly registries: RegistryAccess }): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/auth',
      async handle(x) {
        const body = await readJson(x, authBody);
        const { identityToken } = await registries.checkLogin(
          body.serveraddress,
          authOf(body) ?? {},
          x.signal,
        );
        const answer: AuthResponse = { Status: 'Login Succeeded', IdentityToken: identityToken };
        x.json(200, answer);
      },
    },
    {
      method: 'GET',
      pattern: '/images/search',
      async handle(x) {
        const given = filters(x).restrictTo(SEARCH_FILTERS);
        const matches = searchTest(given);
        const auth = registryAuth(x.request.headers['x-registry-auth']);
        const found = await registries.search(text(x, 'term'), {
          limit: integer(x, 'limit') ?? 0,
          ...(auth === undefined ? {} : { auth }),
          signal: x.signal,
        });
        x.json(200, found.filter(matches).map(resultToWire));
      },
    },
    {
      method: 'GET',
      pattern: '/distribution/{name*}/json',
      async handle(x) {
        const auth = registryAuth(x.request.headers['x-registry-auth']);
        const { descriptor, platforms } = await registries.inspect(parseReference(x.param), {
          ...(auth === undefined ? {} : { auth }),
          signal: x.signal,
        });
        const { mediaType, digest, size } = descriptor;
        const answer: DistributionInspect = { Descriptor: { mediaType, digest, size }, Platforms: platforms };
        x.json(200, answer);
      },
    },
  ];
}

/** Docker's filters of a search; `is-automated=true` matches nothing since Docker Hub has no such builds. */
function searchTest(given: Filters): (found: FoundRepository) => boolean {
  const automated = given.bool('is-automated', false);
  const official = given.has('is-official') ? given.bool('is-official', false) : undefined;
  let stars = 0;
  for (const value of given.get('stars')) {
    if (!/^[-+]?[0-9]+$/.test(value)) {
      throw new HttpError(
        400,
        `invalid filter 'stars=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }
    stars = Math.max(stars, Number(value));
  }
  return (found) =>
    !automated && (official === undefined || found.official === official) && found.stars >= stars;
}

function resultToWire(found: FoundRepository): SearchResult {
  return {
    star_count: found.stars,
    is_official: found.official,
    name: found.name,
    is_automated: false,
    description: found.description,
  };
}
