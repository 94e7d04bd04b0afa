package tokens

import "time"

// keySetDocument is a JWK set, and until when it is the right one.
type keySetDocument struct {
	body  []byte
	until time.Time // a key in it is worth nothing then; zero: no such time
}

// JWKS is the set of public keys (RFC 7517 section 5) that verify something at a time: next
// ones too, so that readers know them before they sign. The caller must not change it.
func (m *Minter) JWKS(now time.Time) []byte {
	set := m.keys.Load()
	if d := set.jwks; d.until.IsZero() || now.Before(d.until) {
		return d.body
	}
	return documentOf(set.published, now).body // rare: until the next rotation of keys
}

// documentOf writes the set of the keys that verify something at a time; at the zero time
// all do.
func documentOf(keys []*signingKey, now time.Time) (d keySetDocument) {
	d.body = append(d.body, `{"keys":[`...)
	first := len(d.body)
	for _, k := range keys {
		if !k.ends.IsZero() {
			if !now.Before(k.ends) {
				continue
			}
			if d.until.IsZero() || k.ends.Before(d.until) {
				d.until = k.ends
			}
		}
		if len(d.body) > first {
			d.body = append(d.body, ',')
		}
		d.body = append(d.body, k.JWK()...)
	}
	d.body = append(d.body, `]}`...)
	return d
}
