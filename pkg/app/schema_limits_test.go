package app

// beyondTheSchema lists the wrong configurations that the JSON Schema accepts, by the
// reason: a line for each case of misconfigurations.txt.
var beyondTheSchema = map[string]string{
	"A condition is a language of its own, and its words depend on the product whose events it is for.": `
where: a misspelt field
where: a field that is far from any
where: a member that is none
where: a member of text
where: one equals sign
where: text against a number
where: a number against text
where: a number against a list
where: a list against text
where: a party against text
where: a party in a list
where: a time against text
where: text that is no condition
where: a number that is no condition
where: a list that is no condition
where: a party that is no condition
where: a time that is no condition
where: a sum of text and number
where: not of a number
where: and of text
where: an end that is missing
where: a quotation that is not closed
where: a parenthesis that is not closed
where: a parenthesis too many
where: a pattern that is none
where: a function that is none
where: a function with too much
where: && and text
where: SQL
where: AND in capitals
where: <> of SQL
where: a dollar sign
where: true as a word of YAML
where: a condition that begins with a percent sign
where: a comment sign in it
where: typographic quotes in it
where: over lines, with a mistake in the second
where: over lines without a mark, with a mistake in the second
`,
	"What a variable holds is unknown until Sluice runs.": `
sink: original from a variable
secret: with a byte order mark, from a variable
secret: over two lines, from a variable
secret: a file that is not there, of a variable
variable: unset
variable: empty
variable: two that are unset
variable: that holds a variable
variable: a word for a number
sources: an unset variable
`,
	"A file is read only when Sluice runs.": `
evidence: a key that is not there
evidence: the key itself
evidence: a directory
evidence: another text
evidence: the public key
http: a header and its file, and a file that is not there
secret: a file that is not there
secret: a file in a directory that is not there
secret: a file in a root directory that is not there
secret: a file in a directory of Docker that is not there
secret: a directory
secret: a file below a file
secret: the secret in place of its file
secret: an empty file
secret: a file with only line ends
secret: a file with null
secret: a file with a byte order mark
secret: a file in UTF-16
secret: a file with two lines
secret: a file with a blank at its end
secret: a file that is not ASCII
secret: a file with an assignment
secret: a file whose name has a line end
secret: of Splunk, a file with a byte order mark
secret: of Kafka, a file with a byte order mark
secret: a key for redact with a byte order mark
kafka: an authority that is not there
kafka: an authority that is no certificate
kafka: a certificate that is none
s3: an authority that is not there
gcs: an authority that is not there
azure_blob: an authority that is not there
splunk_hec: an authority that is not there
redact: a key file that is not there
catalogue: a file that is not there
admin: a file of a token that there is not
admin: tls with a file that there is not
catalogue: in a directory that is there
catalogue: a directory
sources: a directory that is not there
sources: a directory below one that is not there
sources: an absolute path that is not there
sources: a file that is not there
sources: an empty directory
sources: a directory with other endings
sources: a directory with hidden files only
sources: a pattern without a match
sources: a pattern of directories
sources: a pattern that is not closed
sources: the configuration itself
sources: a directory in it that ends like a file
`,
	"Two entries must agree or differ: names, paths, topics, what a sink follows.": `
name: of two sinks
name: of two sources
name: of three sources
name: two lanes with one id in Kafka
sink: a source that is not there
sink: a source twice
sink: a source that nobody follows
kafka: the same topic for positions
state: kafka with pauses in the topic of positions
file: two sinks with one path
file: two sources with one path
file: the lock of the state
file: the position of a lane
file: the dead letters of a lane
redact: a field twice
redact: a field within another
sources: a name in two files
sources: a name in three files
sources: a sink that names one of none of the files
sources: a source in a file that nobody follows
`,
	"One key decides what another one may be, and not by one of its values alone: by an address, a size, the items of a list.": `
http: an address in clear text, with a secret in it
http: a status in two lists, and one that is none
datadog: an address in clear text
planetscale: an address in clear text
planetscale: a retention within the overlap
s3: an endpoint in clear text
gcs: an endpoint in clear text
s3: a session token alone
s3: an external id without a role
s3: a key without encryption
azure_blob: a container with two dashes
azure_blob: a key and a signature
azure_blob: a signature that is none
splunk_hec: an address in clear text
elasticsearch: plain http
syslog: two schemes
syslog: a framing for UDP
syslog: a byte order mark with rfc3164
syslog: messages that are too large for UDP
syslog: messages that are too large for RELP
syslog: a rate for TCP
syslog: tls settings for tcp
file: files to keep without a rotation
redact: hash without a key
redact: a key without hash
`,
	"A range: a pattern cannot compare a size or a duration with its unit, a port, or the time of day.": `
slack: more events than a message holds
teams: more events than a message holds
sink: a start in the future
sink: a timeout of nothing
planetscale: an address with port 99999
planetscale: an interval that is too short
planetscale: an overlap of nothing
kafka: a broker with port 0
kafka: a broker with port 90922
kafka: a record size that is too large
s3: limits out of range
gcs: limits out of range
azure_blob: limits out of range
splunk_hec: ack_timeout too short
splunk_hec: requests that are too small
splunk_hec: requests that are too large
syslog: an address with port 65536
syslog: messages that are too small
syslog: a settle that is too long
file: a size without a unit
file: a size that is too small
file: an age that is too short
state: s3 with a lease that is too short
dead_letters: too large for a number
memory: too little
admin: a port that is none
forms: a small number that is too large
`,
	"A mode in octal without quotes is a number, and programs disagree which one.": `
file: a mode that is decimal
file: a mode that all may write
file: a mode that executes
file: a mode without the owner
`,
	"YAML resolves it before the schema sees it.": `
file: two documents
space: a tab within a value
yaml: an anchor and an alias
yaml: a merge key
yaml: a tag
yaml: a key with a question mark
`,
	"A template is a language of its own, and a header any name but a few.": `
http: a template with a field that is none
http: a template without quotes
http: a template with a function that breaks escapes
http: a header that Sluice sets, and one with a blank
`,
	"Settings of another build, without tags: only their Validate knows.": `
forms: a secret that lacks its user
forms: mappings by name and in a list
forms: a key of an embedded struct
forms: settings that contradict each other
forms: no topic
forms: a problem over two lines
`,
	"A secret may hold any text, and the endpoint may be any path.": `
sumo: an address that is none
slack: the token of an app
slack: the host alone
slack: an address in clear text
teams: an Office 365 connector
secret: still in quotes
splunk_hec: the raw endpoint
`,
	"The fields of an event depend on the product.": `
redact: an unknown field
`,
	"Names and durations are compared with others, and own_events: only takes the meaning of other keys.": `
own log: a heartbeat that is too fast
audit: too often
own log: a source with its name (whole file)
own log: a sink that follows it by name
own log: a pager with a condition
`,
}
