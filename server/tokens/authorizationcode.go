package tokens

// NewAuthorizationCode returns a code of 256 random bits (RFC 6749 section 10.10).
func NewAuthorizationCode() string { return NewDeviceCode() }

// HashAuthorizationCode is how the store knows a code: it redeems nothing.
func (m *Minter) HashAuthorizationCode(code string) []byte {
	sum := m.lookup.Digest([]byte("authorization_code " + code))
	return sum[:]
}
