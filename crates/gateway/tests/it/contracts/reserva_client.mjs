// A portal's device manager, making the calls that Reserva's frontend guide has its clients make, in their order,
// against a gateway that runs. Each "device" is a manager with a localStorage of its own.
//
//   node reserva_client.mjs BASE_URL '{"ada": "<jwt>", "bob": "<jwt>", "customer": "<jwt>"}'
//
// Prints `flow held` when every step went as the guide says; otherwise it fails with the step.

import assert from 'node:assert/strict';

const [base, credentials] = process.argv.slice(2);
const jwt = JSON.parse(credentials);

// What a browser gives.
class Storage {
  #items = new Map();
  getItem(key) { return this.#items.has(key) ? this.#items.get(key) : null; }
  setItem(key, value) { this.#items.set(key, String(value)); }
  removeItem(key) { this.#items.delete(key); }
}

class Manager {
  constructor(user, { customer = false, agent = 'Mozilla/5.0 (Windows NT 10.0) Chrome/120.0' } = {}) {
    this.jwt = jwt[user];
    this.suffix = customer ? '/customer' : '';
    this.agent = agent;
    this.storage = new Storage();
    this.id = this.storage.getItem('device_id');
  }

  async ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.jwt}` };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    return fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
  }

  async register(token) {
    const answer = await this.ask('POST', `/api/v1/devices/register${this.suffix}`, {
      fcm_token: token, platform: 'web', device_name: this.name(), app_version: '1.0.0',
    });
    if (!answer.ok) throw new Error('registration failed');
    const device = await answer.json();
    this.id = device.id;
    this.storage.setItem('device_id', device.id);
    this.storage.setItem('fcm_token', token);
    return device;
  }

  async updateToken(token) {
    if (!this.id) return this.register(token);
    const answer = await this.ask('PUT', `/api/v1/devices${this.suffix}/${this.id}`, { fcm_token: token });
    if (answer.status === 404) return this.register(token);
    if (!answer.ok) throw new Error(`update failed: ${answer.status}`);
    this.storage.setItem('fcm_token', token);
    return answer.json();
  }

  async unregister() {
    if (!this.id) return;
    await this.ask('DELETE', `/api/v1/devices${this.suffix}/${this.id}`);
    this.storage.removeItem('device_id');
    this.storage.removeItem('fcm_token');
    this.id = null;
  }

  // As the class lists, and as the hook does.
  async list(includeInactive = false) {
    const answer = await this.ask('GET', `/api/v1/devices${this.suffix}?include_inactive=${includeInactive}`);
    return answer.json();
  }

  // The hook removes any of the user's devices, and takes it out of what it shows.
  async remove(id, shown) {
    await this.ask('DELETE', `/api/v1/devices${this.suffix}/${id}`);
    return shown.filter((device) => device.id !== id);
  }

  name() {
    const browser = ['Chrome', 'Firefox', 'Safari'].find((name) => this.agent.includes(name)) ?? 'Browser';
    const system = ['Windows', 'Mac', 'Linux', 'Android'].find((name) => this.agent.includes(name)) ?? 'Unknown';
    return `${browser} on ${system}`;
  }
}

const token = (name) => `${name}:APA91b${'x'.repeat(130)}`;
const ids = (listed) => listed.items.map((device) => device.id).sort();

async function flow(customer) {
  const form = customer ? 'customer' : 'staff';
  const user = customer ? 'customer' : 'ada';
  const mine = (name) => token(`${form}-${name}`);
  const laptop = new Manager(user, { customer });

  // Register.
  const first = await laptop.register(mine('a'));
  assert.match(first.id, /^[0-9a-f]{24}$/);
  assert.equal(first.is_new, true);
  assert.equal(typeof first.message, 'string');
  assert.equal((await laptop.register(mine('a'))).is_new, false, 'registering on each launch updates');

  // List.
  const listed = await laptop.list();
  assert.equal(listed.total, 1);
  assert.equal(listed.items[0].id, first.id);
  assert.equal(listed.items[0].device_name, 'Chrome on Windows');
  assert.equal(listed.items[0].fcm_token, undefined);

  // Firebase refreshes the token.
  const updated = await laptop.updateToken(mine('b'));
  assert.equal(updated.id, first.id);
  assert.equal(updated.is_active, true);

  // A second device of the same user, which then takes the first one's token over: the first record is gone.
  const phone = new Manager(user, { customer, agent: 'Mozilla/5.0 (Linux; Android 14) Firefox/120.0' });
  const second = await phone.register(mine('c'));
  assert.deepEqual(ids(await phone.list()), [first.id, second.id].sort());
  await phone.updateToken(mine('b'));
  assert.deepEqual(ids(await phone.list(true)), [second.id]);

  // The laptop's record is not found: it registers anew.
  const again = await laptop.updateToken(mine('d'));
  assert.equal(again.is_new, true);
  assert.notEqual(again.id, first.id);
  assert.equal(laptop.storage.getItem('device_id'), again.id);
  assert.equal(laptop.storage.getItem('fcm_token'), mine('d'));

  // The portal's page of devices removes the phone.
  let shown = (await laptop.list()).items;
  assert.equal(shown.length, 2);
  shown = await laptop.remove(second.id, shown);
  assert.deepEqual(ids(await laptop.list()), shown.map((device) => device.id));

  // Log out, and in again.
  await laptop.unregister();
  assert.equal((await laptop.list(true)).total, 0);
  assert.equal(laptop.storage.getItem('device_id'), null);
  await laptop.unregister();
  assert.equal((await laptop.updateToken(mine('d'))).is_new, true, 'without an id it registers');
  await laptop.unregister();
}

async function takeover() {
  // Somebody else logs in on the same browser: the token, and the record, are theirs from then on.
  const ada = new Manager('ada');
  const bob = new Manager('bob');
  const device = await ada.register(token('shared'));
  const taken = await bob.register(token('shared'));
  assert.equal(taken.id, device.id);
  assert.equal(taken.is_new, false);
  assert.equal((await ada.list(true)).total, 0);
  await assert.rejects(ada.updateToken(token('stolen')), /403/);
  await ada.ask('DELETE', `/api/v1/devices/${device.id}`);
  assert.deepEqual(ids(await bob.list()), [device.id], 'and nobody else removes it');
  await bob.unregister();
}

await flow(false);
await flow(true);
await takeover();
console.log('flow held');
