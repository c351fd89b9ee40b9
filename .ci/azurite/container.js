// Creates the container audit in Azurite at the port that is given, or finds it there.
const crypto = require('crypto'), http = require('http')
const [port, account, key] = process.argv.slice(2)
const path = `/${account}/audit`, date = new Date().toUTCString(), version = '2023-11-03'
const text = `PUT${'\n'.repeat(12)}x-ms-date:${date}\nx-ms-version:${version}\n/${account}${path}\nrestype:container`
const signature = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')
const headers = {'x-ms-date': date, 'x-ms-version': version, 'Content-Length': 0, Authorization: `SharedKey ${account}:${signature}`}
http.request({host: '127.0.0.1', port, path: path + '?restype=container', method: 'PUT', headers, timeout: 10000}, answer => {
	process.exit([201, 409].includes(answer.statusCode) ? 0 : 1)
}).on('error', () => process.exit(1)).on('timeout', () => process.exit(1)).end()
