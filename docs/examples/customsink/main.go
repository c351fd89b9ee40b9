// Command sluice-acme is Sluice with one more sink: a webhook that takes one record per request.
package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sluice-siem/sluice/pkg/app"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

func main() { app.Main(app.WithSink(Type)) }

var Type = sink.NewType("webhook", Webhook{}, func(_ context.Context, _ sink.Env, w Webhook) (sink.Sink, error) { return w, nil })

type Webhook struct {
	URL   string         `yaml:"url" required:"true" doc:"Address that takes one record a request."`
	Token setting.Secret `yaml:"token" required:"true" doc:"Token for the address."` // or token_file, which is read again for each record
}

// Without pings, HTTP/2 keeps using a connection whose other side is gone.
var transport = &http.Transport{
	Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
	HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second},
}

func (w Webhook) Limits() sink.Limits { return sink.Limits{Records: 1} }
func (w Webhook) Close() error        { return nil }

func (w Webhook) Publish(ctx context.Context, batch []sink.Record) error {
	for _, r := range batch {
		token, err := w.Token.Token()
		req, invalid := http.NewRequestWithContext(ctx, "POST", w.URL, bytes.NewReader(r.Body))
		if err = errors.Join(err, invalid); err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := transport.RoundTrip(req) // not a Client, which would follow a redirect with the token
		if err != nil {
			return err
		}
		if err, code := errors.Join(errors.New(resp.Status), resp.Body.Close()), resp.StatusCode; code == 400 || code == 413 || code == 422 {
			return sink.Permanent(err) // the record is bad; every other error is retried
		} else if wait, _ := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); code >= 300 {
			return sink.RetryAfter(err, wait)
		}
	}
	return nil
}
