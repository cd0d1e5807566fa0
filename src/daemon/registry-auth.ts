import { TareError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { BasicAuthenticator } from '../registry-server/auth/basic-authenticator.ts';
import { BasicOrTokenAuthenticator } from '../registry-server/auth/basic-or-token.ts';
import { type Authenticator, openAccess } from '../registry-server/auth/caller.ts';
import { PasswordCheck, parseHtpasswd } from '../registry-server/auth/htpasswd.ts';
import { parseTokenKeys } from '../registry-server/auth/json-web-token.ts';
import { parseRights, usersMayAll } from '../registry-server/auth/rights.ts';
import { TokenAuthenticator } from '../registry-server/auth/token-authenticator.ts';
import { TokenIssuer } from '../registry-server/auth/token-issuer.ts';
import { WatchedFile } from '../registry-server/auth/watched-file.ts';
import type { RegistrySettings } from '../wire/registry-settings.ts';

type AccessSettings = Pick<
  RegistrySettings,
  'tokenRealm' | 'tokenService' | 'tokenIssuer' | 'tokenKeys' | 'htpasswd' | 'authConfig'
>;

export interface RegistryAccess {
  readonly authenticator: Authenticator;
  /** The registry's own token server, if it needs one. */
  readonly tokens: TokenIssuer | undefined;
}

/** Who may do what, as the flags say. Throws `invalid` for flags that contradict each other and for wrong files. */
export function registryAccess(settings: AccessSettings, log: Logger): RegistryAccess {
  const { tokenRealm, tokenService, tokenIssuer, tokenKeys, htpasswd, authConfig } = settings;
  const byToken = tokenRealm !== '' || tokenService !== '' || tokenIssuer !== '' || tokenKeys.length > 0;
  if (byToken) {
    if (tokenRealm === '' || tokenService === '' || tokenIssuer === '' || tokenKeys.length === 0) {
      throw invalid(
        'token authentication needs --token-realm, --token-service, --token-issuer and --token-key',
      );
    }
    if (htpasswd !== '' || authConfig !== '') {
      throw invalid(
        'with token authentication the token server knows users and rights: leave out --htpasswd and --auth-config',
      );
    }
    const files = tokenKeys.map((path) => new WatchedFile(path, parseTokenKeys, log));
    const keys = () => files.flatMap((file) => file.value);
    const parts = { realm: tokenRealm, service: tokenService, issuer: tokenIssuer, keys, now: Date.now };
    return { authenticator: new TokenAuthenticator(parts), tokens: undefined };
  }
  if (htpasswd === '' && authConfig === '') return { authenticator: openAccess, tokens: undefined };
  if (htpasswd === '') throw invalid('--auth-config gives rights to the users of --htpasswd: give both');
  return basicAccess(htpasswd, authConfig, log);
}

function basicAccess(htpasswd: string, authConfig: string, log: Logger): RegistryAccess {
  const users = new WatchedFile(htpasswd, parseHtpasswd, log);
  const rights = authConfig === '' ? { value: usersMayAll } : new WatchedFile(authConfig, parseRights, log);
  const passwords = new PasswordCheck(Date.now);
  const shared = { users: () => users.value, rights: () => rights.value, passwords };
  const basic = new BasicAuthenticator({ realm: 'Tare registry', ...shared });
  if (!rights.value.anonymous) return { authenticator: basic, tokens: undefined };
  const service = 'tare-registry';
  const tokens = new TokenIssuer({ service, now: Date.now, ...shared });
  const token = new TokenAuthenticator({
    realm: undefined,
    service,
    issuer: tokens.issuer,
    keys: () => [tokens.key],
    now: Date.now,
  });
  return { authenticator: new BasicOrTokenAuthenticator(basic, token), tokens };
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}
