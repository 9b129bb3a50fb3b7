import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { DEFAULT_WIREGUARD } from '../../allocator/config/parse-wireguard.ts';
import { Secret } from '../../lib/secret.ts';
import { wireguardPublicKey } from '../../lib/wireguard-key.ts';
import { WireguardKeyring } from '../kernel/wireguard/wireguard-keyring.ts';
import { WireguardKeys } from './wireguard-keys.ts';

const KEY = Buffer.alloc(32, 8);
const PUBLIC = wireguardPublicKey(KEY);

describe('key files of WireGuard', () => {
  let folder: string;
  let file: string;
  let keyring: WireguardKeyring;
  const warnings: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-keys-'));
    file = join(folder, 'flannel', 'wgkey');
    keyring = new WireguardKeyring();
    warnings.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (): WireguardKeys =>
    new WireguardKeys({ file, keyring, warn: (message) => warnings.push(message), generate: () => KEY });
  const wanted = (keyEpoch = 0) => ({ ...DEFAULT_WIREGUARD, keyEpoch });
  const write = (name: string, text: string, mode = 0o600): void => {
    mkdirSync(join(folder, 'flannel'), { recursive: true });
    writeFileSync(join(folder, 'flannel', name), text, { mode });
  };

  it('are made when they are wanted, with mode 0600, whatever the umask, and read again', () => {
    const before = process.umask(0);
    try {
      assert.deepEqual(open().facts(wanted()), { publicKeys: { 0: PUBLIC } });
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readFileSync(file, 'latin1'), KEY.toString('base64'));
    const other = new WireguardKeys({ file, keyring, warn: () => undefined });
    assert.deepEqual(other.facts(wanted()), { publicKeys: { 0: PUBLIC } });
    assert.deepEqual(keyring.privateKeyOf(PUBLIC), KEY);
  });

  it('are not made for another backend, and known where they exist', () => {
    assert.equal(open().facts(undefined), undefined);
    assert.equal(existsSync(file), false);
    write('wgkey.3', KEY.toString('base64'));
    write('wgkey.x', 'no key');
    write('wgkey.3.new', 'no key');
    assert.deepEqual(open().facts(undefined), { publicKeys: { 3: PUBLIC } });
  });

  it("of flannel are taken, with a newline and flannel's mode", () => {
    write('wgkey', `${KEY.toString('base64')}\n`, 0o400);
    assert.deepEqual(open().facts(wanted()), { publicKeys: { 0: PUBLIC } });
    assert.deepEqual(warnings, []);
  });

  it('that hold no key are an error that names the file, and stay', () => {
    write('wgkey', 'hunter2');
    const facts = open().facts(wanted());
    assert.deepEqual(facts?.publicKeys, {});
    assert.match(
      facts?.error ?? '',
      /wgkey as a private key of WireGuard: it is not 32 bytes in base64; remove it/,
    );
    assert.ok(!JSON.stringify(facts).includes('hunter2'));
    assert.equal(readFileSync(file, 'latin1'), 'hunter2');
  });

  it('that are a folder cannot be read, which is an error with the cause', () => {
    mkdirSync(file, { recursive: true });
    assert.match(
      open().facts(wanted())?.error ?? '',
      /Cannot read the private key .*wgkey: EISDIR.*WIREGUARD_KEY_FILE/,
    );
  });

  it('that cannot be written are an error, and are made once they can', () => {
    mkdirSync(join(folder, 'flannel', '.wgkey.weft', 'x'), { recursive: true });
    const keys = open();
    assert.match(keys.facts(wanted())?.error ?? '', /Cannot write a private key .*make the folder writable/);
    rmSync(join(folder, 'flannel'), { recursive: true });
    assert.deepEqual(keys.facts(wanted()), { publicKeys: { 0: PUBLIC } });
  });

  it('that others can read are a warning', () => {
    write('wgkey', KEY.toString('base64'));
    chmodSync(file, 0o644);
    open().facts(wanted());
    assert.match(warnings.join(), /readable by others than its owner: chmod 600/);
  });

  it('of former generations are removed', () => {
    write('wgkey', Buffer.alloc(32, 1).toString('base64'));
    const keys = open();
    keys.facts(wanted());
    assert.deepEqual(Object.keys(keys.facts(wanted(1))?.publicKeys ?? {}), ['0', '1']);
    keys.retire(new Set([1]));
    assert.deepEqual(keys.facts(wanted(1)), { publicKeys: { 1: PUBLIC } });
    assert.deepEqual([existsSync(file), existsSync(`${file}.1`)], [false, true]);
  });

  it('stay while the change that they were made for has not begun', () => {
    let count = 0;
    const generate = (): Buffer => Buffer.alloc(32, ++count);
    const keys = new WireguardKeys({ file, keyring, warn: () => undefined, generate });
    keys.facts(wanted(3));
    const next = keys.facts(wanted(4))?.publicKeys[4];
    keys.retire(new Set([3]));
    assert.equal(keys.facts(wanted(4))?.publicKeys[4], next);
    assert.ok(existsSync(`${file}.4`));
    keys.retire(new Set([4]));
    assert.deepEqual([existsSync(`${file}.3`), existsSync(`${file}.4`)], [false, true]);
  });

  it('give the preshared key to the keyring', () => {
    const psk = Buffer.alloc(32, 5);
    const config = { ...wanted(), psk: new Secret(psk.toString('base64')), pskId: '' };
    open().facts(config);
    assert.deepEqual(keyring.presharedKeyOf(keyring.addPresharedKey(psk)), psk);
  });
});
